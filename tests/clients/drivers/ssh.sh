#!/usr/bin/env bash
# scp and sftp to a real sshd whose other end is the mount: no O_TRUNC, the size is cut afterwards.
. "$(dirname "$0")/../lib.sh"
needs scp sftp ssh-keygen /usr/sbin/sshd
client "scp, sftp (OpenSSH)" "ssh -V" "the mount is at the other end of an sshd"

# one sshd for each connection, on a pipe and not on a port
SSH=$SCRATCH/ssh
mkdir -m 700 "$SSH"
ssh-keygen -q -t ed25519 -N '' -f "$SSH/host"
ssh-keygen -q -t ed25519 -N '' -f "$SSH/user"
cp "$SSH/user.pub" "$SSH/authorized"
cat >"$SSH/sshd_config" <<CONFIG
HostKey $SSH/host
AuthorizedKeysFile $SSH/authorized
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
Subsystem sftp /usr/lib/openssh/sftp-server
CONFIG
cat >"$SSH/ssh_config" <<CONFIG
Host mount
    ProxyCommand /usr/sbin/sshd -i -f $SSH/sshd_config
    IdentityFile $SSH/user
    IdentitiesOnly yes
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
CONFIG
# where root's sshd wants to be locked in
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd

copy() { scp -q -F "$SSH/ssh_config" "$SOURCE" "mount:$TARGET"; }
preserve() { scp -q -p -F "$SSH/ssh_config" "$SOURCE" "mount:$TARGET"; }
legacy() { scp -q -O -F "$SSH/ssh_config" "$SOURCE" "mount:$TARGET"; }
legacy_preserve() { scp -q -O -p -F "$SSH/ssh_config" "$SOURCE" "mount:$TARGET"; }
put() { sftp -q -b - -F "$SSH/ssh_config" mount <<<"put $SOURCE $TARGET"; }
put_preserve() { sftp -q -b - -F "$SSH/ssh_config" mount <<<"put -pf $SOURCE $TARGET"; }
remote_cat() { ssh -F "$SSH/ssh_config" mount "cat >$TARGET" <"$SOURCE"; }
over_rsync() { rsync -a -e "ssh -F $SSH/ssh_config" "$SOURCE" "mount:$TARGET"; }
both "scp" copy
both "scp -p" preserve
both "scp -O" legacy
both "scp -O -p" legacy_preserve
both "sftp put" put
both "sftp put -p -f" put_preserve
both "ssh cat >" remote_cat
client "rsync over ssh" "rsync --version"
both "rsync -a over ssh" over_rsync
client "scp, sftp (OpenSSH)" "ssh -V" "the mount is at the other end of an sshd"
refused "scp" copy
refused "scp -O" legacy

put_refused_type() {
    # sftp has words of its own
    fails sftp -b - -F "$SSH/ssh_config" mount <<<"put $SOURCE $HERE/report.exe" 2>said
    grep -q "Permission denied" said
    expect
}
one "sftp put of a forbidden type" put_refused_type refused

resume() {
    head -c 100000 "$NEW" >part
    seed report.pdf part
    sftp -q -b - -F "$SSH/ssh_config" mount <<<"reput $SOURCE $TARGET"
    expect report.pdf=part "report_*.pdf=$NEW"
}
one "sftp reput goes on with a part" resume existing

rename() {
    seed a.pdf
    seed report.pdf "$NEW"
    sftp -q -b - -F "$SSH/ssh_config" mount <<COMMANDS
rename $HERE/a.pdf $HERE/b.pdf
mkdir $HERE/one
rm $HERE/report.pdf
COMMANDS
    expect "b.pdf=$OLD"
}
one "sftp rename, mkdir, rm" rename

get() {
    seed report.pdf
    sftp -q -b - -F "$SSH/ssh_config" mount <<<"get $TARGET back.pdf"
    cmp "$OLD" back.pdf
    expect "report.pdf=$OLD"
}
one "sftp get" get
finish
