#!/usr/bin/env bash
# Samba as it is meant to be used: publish_after = "2s", so that a client may open a file several times until it is done.
. "$(dirname "$0")/../lib.sh"
. "$CLIENTS/smb.sh"
client "Samba, patient" "smbd --version" "publish_after = 2s: what a user makes and rewrites in that time is one version"

both "smbclient put" put

waits() {
    smb "put $SOURCE report.pdf"
    [ "$(state "$TARGET")" = waiting ]
    wait_for "it is an object" is_object "$TARGET"
    expect "report.pdf=$NEW"
}
one "smbclient put: published when nobody has had it open for 2 s" waits new

rewritten() {
    smb "put $OLD report.pdf; put $SOURCE report.pdf"
    wait_for "it is an object" is_object "$TARGET"
    expect "report.pdf=$NEW"
}
one "smbclient put twice of a new name is one object" rewritten new

rewritten_existing() {
    seed report.pdf
    smb "put $EMPTY report.pdf; put $OLD report.pdf; put $SOURCE report.pdf"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW"
    wait_for "it is an object" is_object "$HERE"/report_*.pdf
    expect "report.pdf=$OLD" "report_*.pdf=$NEW"
}
one "smbclient put three times onto an object is one version" rewritten_existing existing

one "smbclient mput" several existing

folder() {
    mkdir -p folder/below
    cp "$NEW" folder/a.pdf
    cp "$OLD" folder/below/b.pdf
    smb "prompt; recurse; mput folder"
    expect "folder/a.pdf=$NEW" "folder/below/b.pdf=$OLD"
}
one "smbclient mput of a folder" folder new

renamed() {
    smb "put $SOURCE a.pdf; rename a.pdf report.pdf"
    wait_for "it is an object" is_object "$TARGET"
    expect "report.pdf=$NEW"
}
one "smbclient put, then rename" renamed new

deleted() {
    smb "put $SOURCE a.pdf; del a.pdf"
    expect
}
one "smbclient put, then del, makes no object" deleted

delete() {
    seed a.pdf
    smb "del a.pdf"
    expect
}
one "smbclient del of an object" delete

one "smbclient put of a forbidden type" refused_type refused
finish
