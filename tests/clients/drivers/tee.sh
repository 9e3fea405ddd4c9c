#!/usr/bin/env bash
# tee (coreutils): truncates, or appends with -a, several files at once.
. "$(dirname "$0")/../lib.sh"
needs tee
client "tee" "tee --version"

plain() { tee "$TARGET" <"$SOURCE" >/dev/null; }
both "tee" plain
refused "tee" plain

append_new() {
    tee -a "$TARGET" <"$NEW" >/dev/null
    expect "report.pdf=$NEW"
}
one "tee -a to a new name" append_new new

append_existing() {
    seed report.pdf
    cat "$OLD" "$NEW" >wanted
    tee -a "$TARGET" <"$NEW" >/dev/null
    expect "report.pdf=$OLD" "report_*.pdf=wanted"
}
one "tee -a to an object" append_existing existing

several() {
    seed b.pdf
    tee "$HERE/a.pdf" "$HERE/b.pdf" <"$NEW" >/dev/null
    expect "a.pdf=$NEW" "b.pdf=$OLD" "b_*.pdf=$NEW"
}
one "tee to two files" several new
finish
