#!/usr/bin/env bash
# install (coreutils): unlinks an old name, creates with O_EXCL and changes the mode by path after the close.
. "$(dirname "$0")/../lib.sh"
needs install
client "install" "install --version"

plain() { install "$SOURCE" "$TARGET"; }
mode() { install -m 600 "$SOURCE" "$TARGET"; }
times() { install -p "$SOURCE" "$TARGET"; }
compared() { install -C "$SOURCE" "$TARGET"; }
into() { install -t "$HERE" "$SOURCE"; }
both "install" plain
both "install -m" mode
both "install -p" times
both "install -C" compared
both "install -t" into
refused "install" plain

folders() {
    install -D "$SOURCE" "$HERE/one/two/report.pdf"
    expect "one/two/report.pdf=$NEW"
}
one "install -D" folders

only_folders() {
    install -d "$HERE/one/two"
    [ -d "$HERE/one/two" ]
    expect
}
one "install -d" only_folders new

backup() {
    seed report.pdf
    install -b "$SOURCE" "$TARGET"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW" "local:report.pdf~=$OLD"
}
one "install -b onto an object" backup existing
finish
