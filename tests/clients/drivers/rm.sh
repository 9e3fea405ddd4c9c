#!/usr/bin/env bash
# rm, rmdir, find -delete, shred: what goes, goes to the trash.
. "$(dirname "$0")/../lib.sh"
needs rm rmdir find
client "rm" "rm --version" "deleted after 5 s, with a copy in the trash"

plain() {
    seed a.pdf
    seed b.pdf
    rm "$HERE/a.pdf"
    gone "$HERE/a.pdf"
    expect "b.pdf=$OLD"
}
one "rm of an object" plain

tree() {
    mkdir -p "$HERE/one/two"
    seed one/a.pdf
    seed one/two/b.pdf
    seed c.pdf
    rm -r "$HERE/one"
    gone "$HERE/one"
    expect "c.pdf=$OLD"
}
one "rm -r of a folder" tree

find_delete() {
    seed_text a.txt words
    seed b.pdf
    find "$HERE" -name '*.txt' -delete
    expect "b.pdf=$OLD"
}
one "find -delete" find_delete

not_empty() {
    mkdir "$HERE/one"
    seed one/a.pdf
    says "Directory not empty" rmdir "$HERE/one"
    expect "one/a.pdf=$OLD"
}
one "rmdir of a folder that is not empty" not_empty

missing() {
    says "No such file or directory" rm "$HERE/a.pdf"
    rm -f "$HERE/a.pdf"
}
one "rm of a missing name" missing

again() {
    # another process makes the name again: no overwrite in disguise, it takes the plain name
    seed report.pdf
    rm "$TARGET"
    cp "$NEW" "$TARGET"
    expect "report.pdf=$NEW"
}
one "rm, then cp of another process" again
finish
