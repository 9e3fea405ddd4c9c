#!/usr/bin/env bash
# nano: opens the name with O_TRUNC; with -B a backup NAME~ first.
. "$(dirname "$0")/../lib.sh"
needs nano
client "nano" "nano --version" "-B leaves NAME~ on this host"

# edit ARGUMENT...: types "hello" at the beginning and saves
edit() {
    "$PYTHON" -IS "$CLIENTS/keys.py" nano --ignorercfiles "$@" <<'KEYS'
wait Exit
keys hello
wait hello
keys \x0f
wait Write
keys \r
wait Wrote
keys \x18
end
KEYS
}

new() {
    lines wanted hello
    edit "$HERE/a.txt"
    expect a.txt=wanted
}
one "nano saves a new name" new new

existing() {
    seed_text a.txt old
    lines wanted helloold
    edit "$HERE/a.txt"
    expect a.txt=a.txt "a_*.txt=wanted"
}
one "nano saves an object" existing existing

backup() {
    seed_text a.txt old
    lines wanted helloold
    edit -B "$HERE/a.txt"
    expect a.txt=a.txt "a_*.txt=wanted" local:a.txt~=a.txt
}
one "nano -B saves an object" backup existing

locking() {
    seed_text a.txt old
    lines wanted helloold
    edit --locking "$HERE/a.txt"
    expect a.txt=a.txt "a_*.txt=wanted"
}
one "nano --locking saves an object" locking existing
finish
