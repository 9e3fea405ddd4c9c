#!/usr/bin/env bash
# Thunar, a file manager of the GTK kind, with its windows: what is copied into a folder is written to the final name;
# "Replace" writes .goutputstream-XXXXXX and renames it while it is still open.
. "$(dirname "$0")/../lib.sh"
needs thunar
. "$CLIENTS/desktop.sh"
client "Thunar" "thunar --version" "keyboard and mouse: paste, drag, Replace, Skip, Rename, Delete"

background thunar thunar --daemon
# who calls it before it has its name on the bus becomes the one that stays
named() { gdbus call --session -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.GetNameOwner org.xfce.FileManager; }
wait_for "Thunar is there" named >/dev/null 2>&1

# open_both COUNT: opens a window of the folder `from`, which must come to show so many things, and one of HERE, and
# marks everything in the first
open_both() {
    # windows of other cases have other titles
    FROM=from-${HERE##*/}
    ln -s "$WORK/from" "$WORK/$FROM"
    thunar "$WORK/$FROM"
    desktop <<STEPS
window $FROM - Thunar
keys ctrl+2
see $1
STEPS
    thunar "$HERE"
    desktop <<STEPS
window ${HERE##*/} - Thunar
keys ctrl+2
window $FROM - Thunar
keys ctrl+a
STEPS
}

close_both() {
    desktop <<STEPS
window ${HERE##*/} - Thunar
keys ctrl+w
closed ${HERE##*/} - Thunar
window $FROM - Thunar
keys ctrl+w
closed $FROM - Thunar
STEPS
}

# insert [KEY]: what is marked into HERE
insert() {
    desktop <<STEPS
window $FROM - Thunar
keys ${1:-ctrl+c}
window ${HERE##*/} - Thunar
keys ctrl+v
STEPS
}

files() {
    mkdir -p from
    cp "$NEW" from/a.pdf
    lines from/b.txt words
}

several() {
    files
    open_both "2 files"
    insert
    expect "a.pdf=$NEW" b.txt=from/b.txt
    close_both
}
one "copy and paste of several files" several new

folder() {
    mkdir -p from/folder/below
    cp "$NEW" from/folder/a.pdf
    cp "$OLD" from/folder/below/b.pdf
    open_both "1 folder"
    insert
    expect "folder/a.pdf=$NEW" "folder/below/b.pdf=$OLD"
    close_both
}
one "copy and paste of a folder" folder new

moved() {
    files
    open_both "2 files"
    cp from/b.txt .
    insert ctrl+x
    expect "a.pdf=$NEW" b.txt=b.txt
    gone from/a.pdf from/b.txt
    close_both
}
one "cut and paste of several files" moved new

dragged() {
    files
    open_both "2 files"
    desktop <<<"drag b.txt ${HERE##*/} - Thunar"
    expect "a.pdf=$NEW" b.txt=from/b.txt
    close_both
}
one "drag and drop of several files" dragged new

replace() {
    files
    seed a.pdf
    seed_text b.txt other
    open_both "2 files"
    insert
    desktop <<STEPS
see This folder already contains a file "a.pdf"
press Replace
see This folder already contains a file "b.txt"
press Replace
closed Confirm to replace files
STEPS
    expect "a.pdf=$OLD" "a_*.pdf=$NEW" b.txt=b.txt "b_*.txt=from/b.txt"
    close_both
}
one "paste onto objects: Replace" replace existing

replace_folder() {
    mkdir -p from/folder
    cp "$NEW" from/folder/a.pdf
    cp "$OLD" from/folder/b.pdf
    mkdir "$HERE/folder"
    seed folder/a.pdf
    open_both "1 folder"
    insert
    desktop <<STEPS
press Replace All
closed Confirm to replace files
STEPS
    expect "folder/a.pdf=$OLD" "folder/a_*.pdf=$NEW" "folder/b.pdf=$OLD"
    close_both
}
one "paste of a folder onto a folder: Replace All" replace_folder existing

replace_cut() {
    files
    rm from/b.txt
    seed a.pdf
    open_both "1 file"
    insert ctrl+x
    desktop <<STEPS
press Replace
closed Confirm to replace files
STEPS
    expect "a.pdf=$OLD" "a_*.pdf=$NEW"
    gone from/a.pdf
    close_both
}
one "cut and paste onto an object: Replace" replace_cut existing

skip() {
    files
    seed a.pdf
    open_both "2 files"
    insert
    desktop <<STEPS
see This folder already contains a file "a.pdf"
press Skip
closed Confirm to replace files
STEPS
    expect "a.pdf=$OLD" b.txt=from/b.txt
    close_both
}
one "paste onto an object: Skip" skip existing

rename() {
    files
    rm from/b.txt
    seed a.pdf
    open_both "1 file"
    insert
    desktop <<STEPS
press Rename
closed Confirm to replace files
STEPS
    expect "a.pdf=$OLD" "a (copy 1).pdf=$NEW"
    close_both
}
one "paste onto an object: Rename" rename existing

refused_type() {
    files
    cp "$NEW" from/setup.exe
    open_both "3 files"
    insert
    hears desktop <<STEPS
see Error opening file
see Permission denied
press Skip
unseen Error opening file
STEPS
    expect "a.pdf=$NEW" b.txt=from/b.txt
    close_both
}
one "paste of a forbidden type" refused_type refused

# open_here COUNT: opens a window of HERE, which must come to show so many things, and marks them all
open_here() {
    thunar "$HERE"
    desktop <<STEPS
window ${HERE##*/} - Thunar
see $1
keys ctrl+a
STEPS
}

close_here() {
    desktop <<STEPS
window ${HERE##*/} - Thunar
keys ctrl+w
closed ${HERE##*/} - Thunar
STEPS
}

delete() {
    seed a.pdf
    seed b.txt
    open_here "2 files"
    desktop <<<"keys Delete"
    # there is no bin, so it asks
    hears desktop <<STEPS
see permanently
press Delete
unseen permanently
STEPS
    expect
    close_here
}
one "Delete: no bin, so it asks whether for good" delete

renamed() {
    seed a.pdf
    open_here "1 file"
    desktop <<STEPS
keys F2
window Rename
keys ctrl+a
type b.pdf
press Rename
closed Rename
STEPS
    expect "b.pdf=$OLD"
    close_here
}
one "Rename…" renamed

renamed_refused() {
    seed a.pdf
    open_here "1 file"
    desktop <<STEPS
keys F2
window Rename
keys ctrl+a
type a.exe
press Rename
STEPS
    hears desktop <<STEPS
see Failed to rename
see Permission denied
STEPS
    desktop <<<"press Close"
    expect "a.pdf=$OLD"
    close_here
}
one "Rename… to a forbidden type" renamed_refused refused

new_folder() {
    thunar "$HERE"
    desktop <<STEPS
window ${HERE##*/} - Thunar
keys ctrl+shift+n
window Create New Folder
keys ctrl+a
type reports
press Create
closed Create New Folder
STEPS
    wait_for "the folder is there" test -d "$HERE/reports"
    expect
    close_here
}
one "Create Folder…" new_folder
finish
