#!/usr/bin/env bash
# KIO, what KDE's file manager Dolphin copies with: a new file is written to its final name, one that exists to NAME.part,
# which is renamed after the old name was removed; so is a download.
. "$(dirname "$0")/../lib.sh"
needs kioclient5
. "$CLIENTS/http.sh"
export QT_QPA_PLATFORM=offscreen XDG_RUNTIME_DIR=$SCRATCH/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
client "KIO (KDE’s Dolphin)" "kioclient5 --version" "copy, move, download"

kio() { kioclient5 --noninteractive "$@"; }
copy() { kio --overwrite copy "file://$SOURCE" "file://$TARGET"; }
copy_into() { kio --overwrite copy "file://$SOURCE" "file://$HERE/"; }
move() { kio --overwrite move "file://$SOURCE" "file://$TARGET" && gone "$SOURCE"; }
download() { kio --overwrite copy "$URL/report.pdf" "file://$TARGET"; }
both "kioclient5 --overwrite copy" copy
both "kioclient5 --overwrite copy into a folder" copy_into
both "kioclient5 --overwrite move" move
both "kioclient5 --overwrite copy from http" download

exists() {
    seed report.pdf
    says "already exists" kio copy "file://$SOURCE" "file://$TARGET"
    expect "report.pdf=$OLD"
}
one "kioclient5 copy onto an object asks first" exists existing

folder() {
    mkdir -p folder/below
    cp "$NEW" folder/a.pdf
    cp "$OLD" folder/below/b.pdf
    kio copy "file://$WORK/folder" "file://$HERE/"
    expect "folder/a.pdf=$NEW" "folder/below/b.pdf=$OLD"
}
one "kioclient5 copy of a folder" folder new

refused_type() {
    says "Access denied" kio copy "file://$SOURCE" "file://$HERE/report.exe"
    expect
}
one "kioclient5 copy of a forbidden type" refused_type refused

refused_download() {
    # its last step is what is refused
    says "Could not rename" kio copy "$URL/report.pdf" "file://$HERE/report.exe"
    expect "local:report.exe.part=$NEW"
}
one "kioclient5 copy from http of a forbidden type" refused_download refused

inside() {
    seed a.pdf
    kio move "file://$HERE/a.pdf" "file://$HERE/b.pdf"
    expect "b.pdf=$OLD"
}
one "kioclient5 move inside the mount" inside

delete() {
    seed a.pdf
    mkdir "$HERE/folder"
    seed folder/b.pdf
    kio remove "file://$HERE/a.pdf"
    kio remove "file://$HERE/folder"
    expect
    gone "$HERE/folder"
}
one "kioclient5 remove of a file and of a folder" delete

look() {
    seed report.pdf
    kio cat "file://$TARGET" | cmp - "$OLD"
    kio ls "file://$HERE" | grep -x report.pdf >/dev/null
    expect "report.pdf=$OLD"
}
one "kioclient5 cat, ls" look
finish
