#!/usr/bin/env bash
# The shell's own redirections: one open for several programs, each of which closes its own duplicate.
. "$(dirname "$0")/../lib.sh"
needs bash dash cat
client "shells" "bash --version" "bash and dash: >, >>, groups, pipes"

redirect() { cat "$SOURCE" >"$TARGET"; }
clobber() { bash -c 'set -C; cat "$1" >|"$2"' - "$SOURCE" "$TARGET"; }
dash_redirect() { dash -c 'cat "$1" >"$2"' - "$SOURCE" "$TARGET"; }
descriptor() { bash -c 'exec 3>"$2"; cat "$1" >&3; exec 3>&-' - "$SOURCE" "$TARGET"; }
both "cat >" redirect
both "cat >|" clobber
both "cat > of dash" dash_redirect
both "exec 3>" descriptor
into_refused() { bash -c 'cat "$1" >"$2"' - "$SOURCE" "$TARGET"; }
refused "cat >" into_refused
append_refused() { bash -c 'echo words >>"$1"' - "$TARGET"; }
refused "echo >>" append_refused

append_new() {
    lines wanted words
    echo words >>"$HERE/a.txt"
    expect a.txt=wanted
}
one ">> to a new name" append_new new

append_existing() {
    seed_text a.txt one
    lines wanted one two
    echo two >>"$HERE/a.txt"
    expect a.txt=a.txt "a_*.txt=wanted"
}
one ">> to an object" append_existing existing

append_three() {
    # each is a new version of the object, since the object never changes
    seed_text a.txt one
    lines wanted2 one two
    lines wanted3 one three
    echo two >>"$HERE/a.txt"
    echo three >>"$HERE/a.txt"
    expect a.txt=a.txt "a_*.txt=wanted2" "a_*.txt=wanted3"
}
one ">> twice to an object" append_three existing

group() {
    printf 'one\ntwo\nthree\nfour\n' >wanted
    (
        echo one
        /bin/echo two
        /bin/echo three | cat
        echo four
    ) >"$HERE/a.txt"
    expect a.txt=wanted
}
one "(a; b; c) > to a new name" group new

group_existing() {
    seed_text a.txt old
    printf 'one\ntwo\n' >wanted
    { echo one && /bin/echo two; } >"$HERE/a.txt"
    expect a.txt=a.txt "a_*.txt=wanted"
}
one "{ a; b; } > to an object" group_existing existing

loop() {
    seq 1 50 >wanted
    for i in $(seq 1 50); do [ $((i % 10)) = 0 ] && /bin/echo "$i" || echo "$i"; done >"$HERE/a.txt"
    expect a.txt=wanted
}
one "a loop > to a new name" loop new

background() {
    # the last to close is not the one that opened
    printf 'one\ntwo\n' >wanted
    mkfifo go
    bash -c '{ echo one; (read -r _ <go; echo two) & } >"$1"; echo >go; wait' - "$HERE/a.txt"
    expect a.txt=wanted
}
one "> with a child in the background that writes last" background

read_back() {
    printf 'one\ntwo\n' >wanted
    bash -c 'exec 3<>"$1"; echo one >&3; [ "$(head -c 3 "$1")" = one ]; echo two >&3; exec 3>&-' - "$HERE/a.txt"
    expect a.txt=wanted
}
one "<> and reading meanwhile" read_back

here_document() {
    lines wanted words
    cat >"$HERE/a.txt" <<<words
    expect a.txt=wanted
}
one "cat > of a here-document" here_document

no_clobber() {
    seed report.pdf
    says "cannot overwrite existing file" bash -c 'set -C; echo words >"$1"' - "$TARGET"
    expect "report.pdf=$OLD"
}
one "> with noclobber" no_clobber

truncate_existing() {
    seed report.pdf
    : >"$TARGET"
    expect "report.pdf=$OLD"
}
one ": > to an object" truncate_existing existing

truncate_new() {
    : >"$TARGET"
    expect "report.pdf=$EMPTY"
}
one ": > to a new name" truncate_new new

fill_empty() {
    : >"$TARGET"
    cat "$NEW" >"$TARGET"
    expect "report.pdf=$NEW"
}
one ": > to a new name, filled afterwards" fill_empty new

pipe() {
    gzip -c "$NEW" >wanted
    gzip -c "$NEW" | tee copy | cat >"$HERE/a.gz"
    expect a.gz=wanted
}
one "a pipe into >" pipe
finish
