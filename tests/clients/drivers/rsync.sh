#!/usr/bin/env bash
# rsync: writes .NAME.XXXXXX and renames it over the name; with --inplace it opens the old file without truncating it.
. "$(dirname "$0")/../lib.sh"
needs rsync
client "rsync" "rsync --version"

plain() { rsync "$SOURCE" "$TARGET"; }
archive() { rsync -a "$SOURCE" "$TARGET"; }
checksum() { rsync -ac "$SOURCE" "$TARGET"; }
partial() { rsync -a --partial "$SOURCE" "$TARGET"; }
partial_dir() { rsync -a --partial-dir=.rsync-partial "$SOURCE" "$TARGET"; }
delayed() { rsync -a --delay-updates "$SOURCE" "$HERE/"; }
inplace() { rsync -a --inplace "$SOURCE" "$TARGET"; }
inplace_delta() { rsync -a --inplace --no-whole-file "$SOURCE" "$TARGET"; }
delta() { rsync -a --no-whole-file "$SOURCE" "$TARGET"; }
temp_dir() { rsync -a --temp-dir="$WORK" "$SOURCE" "$TARGET"; }
synced() { rsync -a --fsync "$SOURCE" "$TARGET"; }
both "rsync" plain
both "rsync -a" archive
both "rsync -ac" checksum
both "rsync --partial" partial
both "rsync --partial-dir" partial_dir
both "rsync --delay-updates" delayed
both "rsync --inplace" inplace
both "rsync --inplace --no-whole-file" inplace_delta
both "rsync --no-whole-file" delta
both "rsync --temp-dir elsewhere" temp_dir
both "rsync --fsync" synced
refused "rsync" plain

inplace_refused() {
    # after a refused create rsync tries an open of what might be there, and tells of that
    says "report.exe" rsync --inplace "$SOURCE" "$HERE/report.exe"
    expect
}
one "rsync --inplace of a forbidden type" inplace_refused refused

append() {
    seed report.pdf
    cat "$OLD" "$NEW" >longer.pdf
    rsync --append-verify longer.pdf "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=longer.pdf"
}
one "rsync --append-verify to an object" append existing

backup() {
    seed report.pdf
    rsync -ab "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW" "local:report.pdf~=$OLD"
}
one "rsync -b onto an object" backup existing

keep() {
    seed report.pdf
    rsync -a --ignore-existing "$SOURCE" "$TARGET"
    rsync -au "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD"
}
one "rsync --ignore-existing and -u" keep

tree() {
    mkdir -p tree/one/two
    cp "$NEW" tree/a.pdf
    cp "$OLD" tree/one/b.pdf
    lines tree/one/two/c.txt words
    rsync -a tree/ "$HERE/"
    expect "a.pdf=$NEW" "one/b.pdf=$OLD" one/two/c.txt=tree/one/two/c.txt
}
one "rsync -a of a folder" tree new

twice() {
    mkdir -p tree/one
    cp "$NEW" tree/a.pdf
    cp -p "$OLD" tree/one/b.pdf
    rsync -a tree/ "$HERE/"
    rsync -ai tree/ "$HERE/" >changes
    rsync -aci tree/ "$HERE/" >>changes
    fails grep '^>f' changes
    expect "a.pdf=$NEW" "one/b.pdf=$OLD"
}
one "rsync -a of a folder twice copies nothing again" twice

delete() {
    seed a.pdf
    seed b.pdf
    mkdir tree
    cp -p "$HERE/a.pdf" tree
    rsync -a --delete tree/ "$HERE/"
    expect "a.pdf=$OLD"
}
one "rsync -a --delete" delete

mixed() {
    # one file of a forbidden type: the others arrive, and rsync says which did not
    mkdir tree
    cp "$NEW" tree/a.pdf
    cp "$NEW" tree/b.exe
    says "Permission denied" rsync -a tree/ "$HERE/"
    expect "a.pdf=$NEW"
}
one "rsync -a of a folder with a forbidden type" mixed refused

out() {
    seed a.pdf
    rsync -a "$HERE/" back/
    cmp "$OLD" back/a.pdf
    expect "a.pdf=$OLD"
}
one "rsync -a out of the mount" out
finish
