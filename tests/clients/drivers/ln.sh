#!/usr/bin/env bash
# ln, mkfifo, mknod: what a bucket has no counterpart of is refused at once.
. "$(dirname "$0")/../lib.sh"
needs ln mkfifo
client "ln, mkfifo" "ln --version" "a bucket has no links and no pipes"

hard() {
    seed a.pdf
    says "Operation not permitted" ln "$HERE/a.pdf" "$HERE/b.pdf"
    says "link" ln "$SOURCE" "$HERE/b.pdf"
    expect "a.pdf=$OLD"
}
one "ln is refused" hard refused

symbolic() {
    says "Operation not permitted" ln -s "$SOURCE" "$TARGET"
    expect
}
one "ln -s is refused" symbolic refused

fifo() {
    says "Operation not permitted" mkfifo "$TARGET"
    expect
}
one "mkfifo is refused" fifo refused

scratch() {
    # the one link that means something: a file that was made beside its name
    cp "$NEW" "$HERE/report.pdf.part"
    ln "$HERE/report.pdf.part" "$TARGET"
    rm "$HERE/report.pdf.part"
    expect "report.pdf=$NEW"
}
one "ln of a scratch file to its final name" scratch
finish
