#!/usr/bin/env bash
# mv (coreutils): from another file system it unlinks the old name, copies and unlinks the source; inside it renames.
. "$(dirname "$0")/../lib.sh"
needs mv
client "mv" "mv --version"

move() { mv "$SOURCE" "$TARGET" && gone "$SOURCE"; }
force() { mv -f "$SOURCE" "$TARGET" && gone "$SOURCE"; }
into() { mv -t "$HERE" "$SOURCE" && gone "$SOURCE"; }
both "mv in" move
both "mv -f in" force
both "mv -t in" into
refused "mv in" move

source_stays() {
    says "Permission denied" mv "$SOURCE" "$HERE/report.exe"
    cmp "$NEW" "$SOURCE"
    expect
}
one "mv in of a forbidden type leaves the source" source_stays refused

no_clobber() {
    seed report.pdf
    mv -n "$SOURCE" "$TARGET" || true
    cmp "$NEW" "$SOURCE"
    expect "report.pdf=$OLD"
}
one "mv -n onto an object" no_clobber existing

backup() {
    seed report.pdf
    mv -b "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW" "local:report.pdf~=$OLD"
}
one "mv -b onto an object" backup existing

folder() {
    mkdir -p folder/below
    cp "$NEW" folder/a.pdf
    cp "$OLD" folder/below/b.pdf
    mv folder "$HERE"
    expect "folder/a.pdf=$NEW" "folder/below/b.pdf=$OLD"
    gone folder
}
one "mv in of a folder" folder new

inside() {
    seed a.pdf
    mv "$HERE/a.pdf" "$HERE/b.pdf"
    expect "b.pdf=$OLD"
}
one "mv of an object inside the mount" inside existing

inside_existing() {
    seed report.pdf
    seed b.pdf "$NEW"
    mv -f "$HERE/b.pdf" "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW"
}
one "mv of an object onto another" inside_existing existing

inside_no_clobber() {
    seed report.pdf
    seed b.pdf "$NEW"
    mv -n "$HERE/b.pdf" "$TARGET" || true
    expect "report.pdf=$OLD" "b.pdf=$NEW"
}
one "mv -n of an object onto another" inside_no_clobber existing

inside_refused() {
    seed a.pdf
    refuses mv "$HERE/a.pdf" "$HERE/a.exe"
    expect "a.pdf=$OLD"
}
one "mv of an object to a forbidden type" inside_refused refused

moved_folders() {
    seed a.pdf
    mkdir "$HERE/folder"
    mv "$HERE/a.pdf" "$HERE/folder"
    expect "folder/a.pdf=$OLD"
    mv "$HERE/folder" "$HERE/other"
    expect "other/a.pdf=$OLD"
}
one "mv of objects and folders inside the mount" moved_folders

inside_empty_folder() {
    mkdir "$HERE/one"
    mv "$HERE/one" "$HERE/two"
    [ -d "$HERE/two" ]
    gone "$HERE/one"
    expect
}
one "mv of an empty folder" inside_empty_folder

out() {
    seed a.pdf
    mv "$HERE/a.pdf" back.pdf
    cmp "$OLD" back.pdf
    gone "$HERE/a.pdf"
    expect
}
one "mv out of the mount" out
finish
