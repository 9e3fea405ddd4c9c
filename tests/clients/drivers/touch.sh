#!/usr/bin/env bash
# touch, truncate, fallocate: files without content, and objects opened without being written.
. "$(dirname "$0")/../lib.sh"
needs touch truncate fallocate
client "touch, truncate, fallocate" "touch --version" "an object is not truncated in place"

new() {
    touch "$TARGET"
    expect "report.pdf=$EMPTY"
}
one "touch of a new name" new new

existing() {
    seed report.pdf
    touch "$TARGET"
    touch -d '2001-02-03' "$TARGET"
    expect "report.pdf=$OLD"
}
one "touch of an object" existing existing

missing() {
    touch -c "$TARGET"
    expect
}
one "touch -c of a missing name" missing

filled() {
    touch "$TARGET"
    cp "$NEW" "$TARGET"
    expect "report.pdf=$NEW"
}
one "touch, then cp" filled
create() { touch "$TARGET"; }
refused "touch" create

truncate_existing() {
    seed report.pdf
    truncate -s 0 "$TARGET"
    truncate -s 100 "$TARGET"
    truncate -s 100000 "$TARGET"
    expect "report.pdf=$OLD"
}
one "truncate of an object makes no version" truncate_existing existing

truncate_by_path() {
    seed report.pdf
    says "Operation not permitted" "$PYTHON" -c 'import os, sys; os.truncate(sys.argv[1], 100)' "$TARGET"
    expect "report.pdf=$OLD"
}
one "truncate by path of an object is refused" truncate_by_path refused

size_only() {
    # a size and no data: what a copy looks like that was broken off. It is kept out of the directory.
    says "Input/output error" truncate -s 100 "$HERE/a.pdf"
    fallocate -l 100 "$HERE/b.pdf" || true
    expect
}
one "truncate -s and fallocate of a new name" size_only new

size_filled() {
    "$PYTHON" - "$TARGET" "$NEW" <<'PY'
import os, sys
data = open(sys.argv[2], "rb").read()
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_EXCL)
os.ftruncate(fd, len(data))
os.pwrite(fd, data, 0)
os.close(fd)
PY
    expect "report.pdf=$NEW"
}
one "a size first and then the data" size_filled
finish
