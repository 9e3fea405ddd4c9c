#!/usr/bin/env bash
# dd (coreutils): duplicates the descriptor, so that a close comes before the first write.
. "$(dirname "$0")/../lib.sh"
needs dd
client "dd" "dd --version"

plain() { dd if="$SOURCE" of="$TARGET" bs=64k status=none; }
small() { dd if="$SOURCE" of="$TARGET" bs=512 status=none; }
synced() { dd if="$SOURCE" of="$TARGET" bs=64k conv=fsync status=none; }
sync_writes() { dd if="$SOURCE" of="$TARGET" bs=64k oflag=sync status=none; }
direct() { dd if="$SOURCE" of="$TARGET" bs=64k oflag=direct status=none; }
redirected() { dd bs=64k status=none <"$SOURCE" >"$TARGET"; }
both "dd" plain
both "dd bs=512" small
both "dd conv=fsync" synced
both "dd oflag=sync" sync_writes
both "dd oflag=direct" direct
both "dd of standard input and output" redirected
refused "dd" plain

patch() {
    seed report.pdf
    lines middle.txt words
    cp "$OLD" wanted
    dd if=middle.txt of=wanted bs=1 seek=1000 conv=notrunc status=none
    dd if=middle.txt of="$TARGET" bs=1 seek=1000 conv=notrunc status=none
    expect "report.pdf=$OLD" "report_*.pdf=wanted"
}
one "dd conv=notrunc into the middle of an object" patch existing

append() {
    seed report.pdf
    cat "$OLD" "$NEW" >wanted
    dd if="$NEW" of="$TARGET" bs=64k oflag=append conv=notrunc status=none
    expect "report.pdf=$OLD" "report_*.pdf=wanted"
}
one "dd oflag=append to an object" append existing

hole() {
    dd if="$NEW" of=wanted bs=1000 seek=2000 status=none
    dd if="$NEW" of="$TARGET" bs=1000 seek=2000 status=none
    expect "report.pdf=wanted"
}
one "dd seek=… leaves a hole" hole

nothing() {
    seed report.pdf
    dd if=/dev/null of="$TARGET" status=none
    expect "report.pdf=$OLD"
}
one "dd of nothing onto an object" nothing existing
finish
