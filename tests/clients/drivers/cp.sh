#!/usr/bin/env bash
# cp (coreutils): opens the final name, with O_EXCL where it is new and with O_TRUNC where it exists.
. "$(dirname "$0")/../lib.sh"
needs cp
client "cp" "cp --version" "--backup leaves NAME~ on this host"

plain() { cp "$SOURCE" "$TARGET"; }
preserve() { cp -p "$SOURCE" "$TARGET"; }
archive() { cp -a "$SOURCE" "$TARGET"; }
force() { cp -f "$SOURCE" "$TARGET"; }
remove_first() { cp --remove-destination "$SOURCE" "$TARGET"; }
sparse() { cp --sparse=always "$SOURCE" "$TARGET"; }
no_reflink() { cp --reflink=never "$SOURCE" "$HERE"; }
both "cp" plain
both "cp -p" preserve
both "cp -a" archive
both "cp -f" force
both "cp --remove-destination" remove_first
both "cp --sparse=always" sparse
both "cp --reflink=never" no_reflink
refused "cp" plain
refused "cp -f" force

keeps_time() {
    cp -p "$SOURCE" "$TARGET"
    expect "report.pdf=$NEW"
    [ "$(stat -c %Y "$TARGET")" = "$(stat -c %Y "$SOURCE")" ]
}
one "cp -p keeps the time" keeps_time

empty_new() {
    cp "$EMPTY" "$TARGET"
    expect "report.pdf=$EMPTY"
}
one "cp of an empty file, new name" empty_new new

empty_existing() {
    seed report.pdf
    cp "$EMPTY" "$TARGET"
    expect "report.pdf=$OLD"
}
one "cp of an empty file onto an object" empty_existing existing

large() {
    random 20000003 >large
    cp large "$TARGET"
    expect "report.pdf=large"
}
one "cp of 20 MB" large new

several() {
    seed a.pdf
    lines a.txt one
    cp "$NEW" a.pdf
    cp "$OLD" b.pdf
    cp -t "$HERE" a.pdf a.txt b.pdf
    expect "a.pdf=$OLD" "a_*.pdf=$NEW" a.txt=a.txt b.pdf=b.pdf
}
one "cp of several files" several new

tree() {
    mkdir -p tree/one/two tree/empty
    cp "$NEW" tree/a.pdf
    cp "$OLD" tree/one/b.pdf
    lines tree/one/two/c.txt words
    cp -r tree "$HERE"
    expect "tree/a.pdf=$NEW" "tree/one/b.pdf=$OLD" tree/one/two/c.txt=tree/one/two/c.txt
    [ -d "$HERE/tree/empty" ]
}
one "cp -r of a folder" tree new

tree_existing() {
    mkdir tree
    cp "$NEW" tree/a.pdf
    mkdir "$HERE/tree"
    seed tree/a.pdf
    cp -a tree "$HERE"
    expect "tree/a.pdf=$OLD" "tree/a_*.pdf=$NEW"
}
one "cp -a of a folder onto a folder" tree_existing existing

no_clobber() {
    seed report.pdf
    cp -n "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD"
}
one "cp -n onto an object" no_clobber existing

update() {
    seed report.pdf
    cp -u "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD"
}
one "cp -u of an older file" update

backup() {
    seed report.pdf
    cp --backup=simple "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW" "local:report.pdf~=$OLD"
}
one "cp --backup=simple" backup

numbered() {
    seed report.pdf
    cp --backup=numbered "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW" "local:report.pdf.~1~=$OLD"
}
one "cp --backup=numbered" numbered

inside() {
    seed a.pdf
    cp "$HERE/a.pdf" "$HERE/b.pdf"
    expect "a.pdf=$OLD" "b.pdf=$OLD"
}
one "cp inside the mount" inside

links() {
    seed a.pdf
    says "Operation not permitted" cp -l "$HERE/a.pdf" "$HERE/b.pdf"
    says "Operation not permitted" cp -s "$HERE/a.pdf" "$HERE/b.pdf"
    expect "a.pdf=$OLD"
}
one "cp -l and cp -s are refused" links refused

out() {
    seed a.pdf
    cp -p "$HERE/a.pdf" back.pdf
    cmp "$OLD" back.pdf
    expect "a.pdf=$OLD"
}
one "cp out of the mount" out

spaces() {
    cp "$NEW" "Anlage (1) – größe #2.pdf"
    seed "Anlage (1) – größe #2.pdf"
    cp "Anlage (1) – größe #2.pdf" "$HERE"
    expect "Anlage (1) – größe #2.pdf=$OLD" "Anlage (1) – größe #2_*.pdf=$NEW"
}
one "cp of a name with blanks and letters of other scripts" spaces
finish
