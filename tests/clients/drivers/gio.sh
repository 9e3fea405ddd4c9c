#!/usr/bin/env bash
# gio (GLib, what GNOME's and Xfce's file managers use): copies to the final name; "replace" writes .goutputstream-XXXXXX
# and renames it while it is still open.
. "$(dirname "$0")/../lib.sh"
needs gio
client "gio (GLib: GNOME, Xfce)" "gio version" "the bin is refused, so that file managers ask whether to delete"

copy() { gio copy "$SOURCE" "$TARGET"; }
copy_into() { gio copy "$SOURCE" "$HERE"; }
preserve() { gio copy -p "$SOURCE" "$TARGET"; }
move() { gio move "$SOURCE" "$TARGET" && gone "$SOURCE"; }
save() { gio save "$TARGET" <"$SOURCE"; }
save_plain() { gio save -u "$TARGET" <"$SOURCE"; }
both "gio copy" copy
both "gio copy into a folder" copy_into
both "gio copy -p" preserve
both "gio move" move
both "gio save" save
both "gio save -u" save_plain
refused "gio copy" copy
refused "gio move" move
refused "gio save" save

backup() {
    seed report.pdf
    gio copy -b "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW" "local:report.pdf~=$OLD"
}
one "gio copy -b" backup existing

create() {
    gio save -c "$TARGET" <"$NEW"
    expect "report.pdf=$NEW"
}
one "gio save --create" create new

append() {
    seed report.pdf
    cat "$OLD" "$NEW" >wanted
    gio save -a "$TARGET" <"$NEW"
    expect "report.pdf=$OLD" "report_*.pdf=wanted"
}
one "gio save --append" append existing

rename() {
    seed a.pdf
    gio rename "$HERE/a.pdf" b.pdf
    expect "b.pdf=$OLD"
}
one "gio rename" rename

rename_existing() {
    seed report.pdf
    seed b.pdf "$NEW"
    fails gio rename "$HERE/b.pdf" report.pdf
    expect "report.pdf=$OLD" "b.pdf=$NEW"
}
one "gio rename onto an object" rename_existing existing

remove() {
    seed a.pdf
    gio remove "$HERE/a.pdf"
    expect
}
one "gio remove" remove

trash() {
    seed a.pdf
    fails gio trash "$HERE/a.pdf"
    expect "a.pdf=$OLD"
    [ -z "$(find "$DIRECTORY" -maxdepth 1 -name '.Trash*')" ]
}
one "gio trash is refused, so that file managers ask whether to delete" trash refused

folder() {
    gio mkdir -p "$HERE/one/two"
    [ -d "$HERE/one/two" ]
    expect
}
one "gio mkdir -p" folder new

look() {
    seed report.pdf
    gio cat "$TARGET" | cmp - "$OLD"
    gio list -l "$HERE" | grep '^report.pdf' >/dev/null
    gio info "$TARGET" | grep 'standard::size: 5003' >/dev/null
    gio tree "$HERE" | grep report.pdf >/dev/null
    expect "report.pdf=$OLD"
}
one "gio cat, list, info, tree" look
finish
