#!/usr/bin/env bash
# 7z: extracting unlinks an old name; adding writes NAME.tmp and goes back to its beginning.
. "$(dirname "$0")/../lib.sh"
needs 7z
client "7-Zip" "7z" "an archive is made under a scratch name and renamed"

pack() { 7z a archive.7z "$SOURCE" >/dev/null; }
extract() { pack && 7z x -y -o"$HERE" archive.7z >/dev/null; }
both "7z x" extract

keep() {
    seed report.pdf
    pack
    7z x -aos -o"$HERE" archive.7z >/dev/null
    expect "report.pdf=$OLD"
}
one "7z x -aos onto an object" keep existing

rename() {
    seed report.pdf
    pack
    7z x -aou -o"$HERE" archive.7z >/dev/null
    expect "report.pdf=$OLD" "report_1.pdf=$NEW"
}
one "7z x -aou onto an object" rename existing

create() {
    7z a "$HERE/a.7z" "$SOURCE" >/dev/null
    cp "$HERE/a.7z" .
    7z x -so a.7z 2>/dev/null | cmp - "$NEW"
    expect a.7z=a.7z
}
one "7z a into the mount" create new

create_zip() {
    7z a -tzip "$HERE/a.zip" "$SOURCE" >/dev/null
    cp "$HERE/a.zip" .
    7z x -so a.zip 2>/dev/null | cmp - "$NEW"
    expect a.zip=a.zip
}
one "7z a -tzip into the mount" create_zip new

update() {
    cp "$OLD" b.pdf
    7z a a.7z b.pdf >/dev/null
    seed a.7z a.7z
    7z a "$HERE/a.7z" "$SOURCE" >/dev/null
    cp "$HERE"/a_*.7z b.7z
    7z x -so b.7z report.pdf 2>/dev/null | cmp - "$NEW"
    7z x -so b.7z b.pdf 2>/dev/null | cmp - "$OLD"
    expect a.7z=a.7z "a_*.7z=b.7z"
}
one "7z a adds to an archive in the bucket" update existing

refused_create() {
    fails 7z a "$HERE/report.exe" "$SOURCE" >/dev/null
    expect
}
one "7z a to a forbidden type" refused_create refused
finish
