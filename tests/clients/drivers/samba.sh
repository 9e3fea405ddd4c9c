#!/usr/bin/env bash
# Samba: smbd opens through /proc/self/fd, writes from several threads and sets the size first.
. "$(dirname "$0")/../lib.sh"
needs smbd smbclient

SMB=$SCRATCH/smb
mkdir -p "$SMB"/{lock,state,cache,pid,private}
port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$SMB/smb.conf" <<CONFIG
[global]
    server role = standalone server
    smb ports = $port
    interfaces = 127.0.0.1
    bind interfaces only = yes
    lock directory = $SMB/lock
    state directory = $SMB/state
    cache directory = $SMB/cache
    pid directory = $SMB/pid
    private dir = $SMB/private
    log file = $SMB/log
    map to guest = bad user
    load printers = no
    disable spoolss = yes
[mount]
    path = $DIRECTORY
    guest ok = yes
    read only = no
    force user = $(id -un)
CONFIG
# a session of its own: smbd ends its whole process group when it ends
setsid smbd --foreground --no-process-group --configfile="$SMB/smb.conf" >/dev/null 2>&1 &
SMBD=$!
AT_END+=('kill "$SMBD"')

# smb COMMANDS: as a guest, in HERE
smb() { smbclient -N -p "$port" //127.0.0.1/mount -D "${HERE##*/}" -c "$1"; }
serves() { smbclient -N -p "$port" //127.0.0.1/mount -c quit >/dev/null 2>&1; }
wait_for "smbd serves" serves

put() { smb "put $SOURCE report.pdf"; }
both "smbclient put" put

refused_type() {
    says "NT_STATUS_ACCESS_DENIED" smb "put $SOURCE report.exe"
    expect
}
one "smbclient put of a forbidden type" refused_type

several() {
    mkdir files
    cp "$NEW" files/a.pdf
    cp "$OLD" files/b.pdf
    seed b.pdf "$NEW"
    (cd files && smb "prompt; mput *.pdf")
    expect "a.pdf=$NEW" "b.pdf=$NEW" "b_*.pdf=$OLD"
}
one "smbclient mput" several

get() {
    seed report.pdf
    smb "get report.pdf back.pdf"
    cmp "$OLD" back.pdf
    expect "report.pdf=$OLD"
}
one "smbclient get" get

rename() {
    seed a.pdf
    smb "rename a.pdf b.pdf"
    expect "b.pdf=$OLD"
}
one "smbclient rename" rename

rename_existing() {
    seed report.pdf
    seed b.pdf "$NEW"
    says "NT_STATUS_OBJECT_NAME_COLLISION" smb "rename b.pdf report.pdf"
    expect "report.pdf=$OLD" "b.pdf=$NEW"
}
one "smbclient rename onto an object" rename_existing

again() {
    seed report.pdf
    # two connections, so two processes of smbd: what one deletes and the other makes is an overwrite all the same
    smb "del report.pdf"
    smb "put $SOURCE report.pdf"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW"
}
one "smbclient del, and put by another connection" again

delete() {
    seed a.pdf
    smb "del a.pdf; mkdir folder; rmdir folder"
    expect
}
one "smbclient del, mkdir, rmdir" delete
finish
