#!/usr/bin/env bash
# Samba: smbd opens through /proc/self/fd, writes from several threads and sets the size first.
. "$(dirname "$0")/../lib.sh"
. "$CLIENTS/smb.sh"
client "Samba" "smbd --version" "smbd on the mount, smbclient"

both "smbclient put" put

one "smbclient put of a forbidden type" refused_type refused

one "smbclient mput" several existing

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
one "smbclient rename onto an object" rename_existing existing

rename_refused() {
    seed a.pdf
    says "NT_STATUS_ACCESS_DENIED" smb "rename a.pdf a.exe"
    expect "a.pdf=$OLD"
}
one "smbclient rename to a forbidden type" rename_refused refused

in_use() {
    # who has the object open on this machine keeps what he reads: the share says that the file is in use
    seed report.pdf
    exec 5<"$TARGET"
    says "NT_STATUS_SHARING_VIOLATION" smb "put $SOURCE report.pdf"
    exec 5<&-
    put
    expect "report.pdf=$OLD" "report_*.pdf=$NEW"
}
one "smbclient put onto an object that is open: file in use" in_use existing

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
