#!/usr/bin/env bash
# Programs that are ended in the middle: no half of a file reaches the bucket.
. "$(dirname "$0")/../lib.sh"
needs dd cp cat rsync curl mkfifo
client "killed programs" "bash --version" "what a killed program has written is kept as an interrupted draft, and no object is made"

# ended SIGNAL COMMAND...: the command gets a part of what it is to copy from `pipe`, has written it, and then gets the
# signal. Nothing else writes to HERE.
ended() {
    local signal=$1 before writer
    shift
    mkfifo pipe
    before=$(size_of_here)
    "$@" 2>/dev/null &
    writer=$!
    exec 5>pipe
    head -c 300000 "$NEW" >&5
    wait_for "it has written" grown "$before"
    kill -s "$signal" "$writer"
    # before its input ends by itself
    fails wait "$writer"
    exec 5>&-
}
size_of_here() { find "$HERE" -type f -printf '%s\n' | awk '{ all += $1 } END { print all + 0 }'; }
grown() { [ "$(size_of_here)" -gt $(($1 + 100000)) ]; }

copy_dd() { exec dd if=pipe of="$TARGET" bs=64k status=none; }
copy_cp() { exec cp pipe "$TARGET"; }
copy_cat() { exec cat pipe >"$TARGET"; }
copy_append() { exec cat pipe >>"$TARGET"; }
copy_curl() { exec curl -sS -o "$TARGET" "file://$WORK/pipe"; }

dd_killed() { ended KILL copy_dd && expect; }
dd_terminated() { ended TERM copy_dd && expect; }
cp_killed() { ended KILL copy_cp && expect; }
cp_hung_up() { ended HUP copy_cp && expect; }
cat_killed() { ended KILL copy_cat && expect; }
curl_terminated() { ended TERM copy_curl && expect; }
one "dd, SIGKILL" dd_killed
one "dd, SIGTERM" dd_terminated
one "cp, SIGKILL" cp_killed
one "cp, SIGHUP" cp_hung_up
one "cat >, SIGKILL" cat_killed
one "curl, SIGTERM" curl_terminated

existing() {
    seed report.pdf
    ended KILL copy_dd
    expect "report.pdf=$OLD"
}
one "dd onto an object, SIGKILL" existing existing

existing_append() {
    seed report.pdf
    ended KILL copy_append
    expect "report.pdf=$OLD"
}
one "cat >> to an object, SIGKILL" existing_append existing

again() {
    ended KILL copy_cp
    cp "$NEW" "$TARGET"
    expect "report.pdf=$NEW"
}
one "cp, SIGKILL, then cp again takes the name" again

rsync_terminated() {
    # it clears its temporary file away by itself
    random 3000000 >large.pdf
    rsync --bwlimit=100 large.pdf "$TARGET" &
    local writer=$!
    wait_for "rsync has written" grown 0
    kill "$writer"
    fails wait "$writer"
    expect
}
one "rsync, SIGTERM" rsync_terminated

finish
