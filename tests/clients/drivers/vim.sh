#!/usr/bin/env bash
# vim: a swap file beside the file, then the name itself is opened, emptied and written.
. "$(dirname "$0")/../lib.sh"
needs vim
client "Vim" "vim --version" "backups NAME~ stay on this host"

# edit [COMMAND...]: changes "two" to "2" and saves; with a swap file, as usual, and backups also below /tmp
edit() {
    vim -u NONE -i NONE -N -es -c 'set swapfile backupskip=' "$@" -c '%s/two/2/' -c 'wq' "$HERE/a.txt"
}

changed() {
    lines wanted one 2 three
    expect a.txt=a.txt "a_*.txt=wanted" "$@"
}

new() {
    lines wanted hello
    vim -u NONE -i NONE -N -es -c 'normal ihello' -c 'wq' "$HERE/a.txt"
    expect a.txt=wanted
}
one ":wq of a new name" new new

existing() {
    seed_text a.txt one two three
    edit
    changed
}
one ":wq of an object" existing existing

no_backup() {
    seed_text a.txt one two three
    edit -c 'set nobackup nowritebackup'
    changed
}
one ":wq of an object without a backup" no_backup existing

backup_copy() {
    seed_text a.txt one two three
    edit -c 'set backup backupcopy=yes'
    changed local:a.txt~=a.txt
}
one ":wq of an object with backupcopy=yes" backup_copy existing

backup_rename() {
    seed_text a.txt one two three
    edit -c 'set backup backupcopy=no'
    changed local:a.txt~=a.txt
}
one ":wq of an object with backupcopy=no" backup_rename existing

write_backup() {
    seed_text a.txt one two three
    edit -c 'set writebackup backupcopy=no'
    changed
}
one ":wq of an object with writebackup" write_backup existing

twice() {
    # the second save finds the object as it was, so it is a version of its own
    seed_text a.txt one two three
    lines second one 2 3
    vim -u NONE -i NONE -N -es -c '%s/two/2/' -c 'w!' -c '%s/three/3/' -c 'w!' -c 'q' "$HERE/a.txt"
    lines wanted one 2 three
    expect a.txt=a.txt "a_*.txt=wanted" "a_*.txt=second"
}
one ":w twice of an object" twice existing

defaults() {
    seed_text a.txt one two three
    "$PYTHON" -IS "$CLIENTS/keys.py" vim "$HERE/a.txt" <<'KEYS'
wait three
keys :%s/two/2/\r
wait 2
keys :wq\r
end
KEYS
    changed
}
one "vim at a terminal, with Debian's settings" defaults existing

quit() {
    seed_text a.txt one two three
    vim -u NONE -i NONE -N -es -c 'set swapfile' -c '%s/two/2/' -c 'q!' "$HERE/a.txt"
    expect a.txt=a.txt
}
one ":q! leaves nothing" quit

refused_type() {
    fails vim -u NONE -i NONE -N -es -c 'normal ihello' -c 'wq' "$HERE/a.exe"
    expect
}
one ":wq of a forbidden type" refused_type refused
finish
