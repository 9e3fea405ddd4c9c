#!/usr/bin/env bash
# zip and unzip: zip writes ziXXXXXX with seeks and renames it; unzip unlinks an old name, and passes over errors of close.
. "$(dirname "$0")/../lib.sh"
needs zip unzip
client "unzip" "unzip -v" "it exits with 0 where a close fails"

pack() { zip -qj archive.zip "$SOURCE"; }
extract() { pack && unzip -qo archive.zip -d "$HERE"; }
both "unzip -o" extract

keep() {
    seed report.pdf
    pack
    unzip -qn archive.zip -d "$HERE"
    expect "report.pdf=$OLD"
}
one "unzip -n onto an object" keep existing

tree() {
    mkdir -p tree/one
    cp "$NEW" tree/a.pdf
    cp "$OLD" tree/one/b.pdf
    zip -qr archive.zip tree
    unzip -q archive.zip -d "$HERE"
    expect "tree/a.pdf=$NEW" "tree/one/b.pdf=$OLD"
}
one "unzip of a folder" tree new

mixed() {
    cp "$NEW" b.exe
    zip -q archive.zip b.exe report.pdf
    says "Permission denied" unzip -qo archive.zip -d "$HERE"
    expect "report.pdf=$NEW"
}
one "unzip with a forbidden type" mixed refused

to_pipe() {
    pack
    unzip -p archive.zip >"$TARGET"
    expect "report.pdf=$NEW"
}
one "unzip -p >" to_pipe

# the one file in the zip archive $1 is $2
contains() { unzip -p "$1" | cmp - "$2"; }

create() {
    zip -qj "$HERE/a.zip" "$SOURCE"
    cp "$HERE/a.zip" .
    contains a.zip "$NEW"
    expect a.zip=a.zip
}
client "zip" "zip -v"
one "zip into the mount" create new

update() {
    cp "$OLD" b.pdf
    zip -q a.zip b.pdf
    seed a.zip a.zip
    zip -qj "$HERE/a.zip" "$SOURCE"
    cp "$HERE"/a_*.zip b.zip
    [ "$(unzip -Z1 b.zip | sort | tr '\n' ' ')" = "b.pdf report.pdf " ]
    unzip -p b.zip report.pdf | cmp - "$NEW"
    expect a.zip=a.zip "a_*.zip=b.zip"
}
one "zip adds to an archive in the bucket" update existing

refused_create() {
    fails zip -qj "$HERE/report.exe" "$SOURCE"
    expect
}
one "zip to a forbidden type" refused_create refused
finish
