# For drivers of Samba: an smbd of their own that shares DIRECTORY; `smb` talks to it. The cases that hold whatever the
# settings are defined here, for the drivers to run.
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
background smbd setsid smbd --foreground --no-process-group --configfile="$SMB/smb.conf"

# smb COMMANDS: as a guest, in HERE
smb() { smbclient -N -p "$port" //127.0.0.1/mount -D "${HERE##*/}" -c "$1"; }
serves() { smbclient -N -p "$port" //127.0.0.1/mount -c quit >/dev/null 2>&1; }
wait_for "smbd serves" serves

put() { smb "put $SOURCE report.pdf"; }

several() {
    mkdir files
    cp "$NEW" files/a.pdf
    cp "$OLD" files/b.pdf
    seed b.pdf "$NEW"
    (cd files && smb "prompt; mput *.pdf")
    expect "a.pdf=$NEW" "b.pdf=$NEW" "b_*.pdf=$OLD"
}

refused_type() {
    says "NT_STATUS_ACCESS_DENIED" smb "put $SOURCE report.exe"
    expect
}
