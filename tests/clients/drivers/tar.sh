#!/usr/bin/env bash
# tar and cpio: unlink an old name, create with O_EXCL, set time, owner and mode on the descriptor.
. "$(dirname "$0")/../lib.sh"
needs tar gzip xz cpio
client "tar, cpio" "tar --version"

pack() { tar -C "$WORK" -cf archive.tar report.pdf; }
extract() { pack && tar -C "$HERE" -xf archive.tar; }
extract_gz() { tar -C "$WORK" -czf archive.tgz report.pdf && tar -C "$HERE" -xzf archive.tgz; }
extract_stream() { tar -C "$WORK" -cf - report.pdf | tar -C "$HERE" -xf -; }
unlink_first() { pack && tar -C "$HERE" --unlink-first -xf archive.tar; }
overwrite() { pack && tar -C "$HERE" --overwrite -xf archive.tar; }
same_owner() { pack && tar -C "$HERE" --same-owner -xpf archive.tar; }
copy_in() { echo report.pdf | cpio -o --quiet >archive.cpio && cpio -iu --quiet -D "$HERE" <archive.cpio; }
both "tar x" extract
both "tar xz" extract_gz
both "tar c | tar x" extract_stream
both "tar x --unlink-first" unlink_first
both "tar x --overwrite" overwrite
both "tar xp --same-owner" same_owner
both "cpio -iu" copy_in

keep() {
    seed report.pdf
    pack
    says "File exists" tar -C "$HERE" -k -xf archive.tar
    tar -C "$HERE" --skip-old-files -xf archive.tar
    expect "report.pdf=$OLD"
}
one "tar x -k onto an object" keep existing

tree() {
    mkdir -p tree/one
    cp "$NEW" tree/a.pdf
    cp "$OLD" tree/one/b.pdf
    tar -cf archive.tar tree
    tar -C "$HERE" -xf archive.tar
    expect "tree/a.pdf=$NEW" "tree/one/b.pdf=$OLD"
    cp "$OLD" tree/a.pdf
    tar -cf archive.tar tree/a.pdf
    tar -C "$HERE" -xf archive.tar
    expect "tree/a.pdf=$NEW" "tree/a_*.pdf=$OLD" "tree/one/b.pdf=$OLD"
}
one "tar x of a folder, then of a changed file" tree new

mixed() {
    mkdir tree
    cp "$NEW" tree/a.pdf
    cp "$NEW" tree/b.exe
    tar -cf archive.tar tree
    says "Permission denied" tar -C "$HERE" -xf archive.tar
    expect "tree/a.pdf=$NEW"
}
one "tar x with a forbidden type" mixed refused

links() {
    ln -s report.pdf link.pdf
    tar -cf archive.tar report.pdf link.pdf
    says "Operation not permitted" tar -C "$HERE" -xf archive.tar
    expect "report.pdf=$NEW"
}
one "tar x with a symbolic link" links

create() {
    tar -cf "$HERE/a.tar" report.pdf
    tar -czf "$HERE/a.tar.gz" report.pdf
    tar -cJf "$HERE/a.tar.xz" report.pdf
    for name in a.tar a.tar.gz a.tar.xz; do
        cp "$HERE/$name" .
        rm -rf out && mkdir out
        tar -C out -xf "$name"
        cmp "$NEW" out/report.pdf
    done
    expect a.tar=a.tar a.tar.gz=a.tar.gz a.tar.xz=a.tar.xz
}
one "tar c, tar cz, tar cJ into the mount" create new

create_existing() {
    seed a.tar.gz
    tar -cf a.tar report.pdf
    gzip -nc a.tar >wanted
    GZIP=-n tar -cf - report.pdf | gzip -nc >"$HERE/a.tar.gz"
    expect "a.tar.gz=$OLD" "a_*.tar.gz=wanted"
}
one "tar cz onto an object" create_existing existing

append() {
    lines b.txt words
    tar -cf a.tar report.pdf
    seed a.tar a.tar
    cp a.tar wanted
    tar -rf wanted b.txt
    tar -rf "$HERE/a.tar" b.txt
    expect a.tar=a.tar "a_*.tar=wanted"
}
one "tar r to an archive in the bucket" append existing

out() {
    seed a.pdf
    tar -C "$HERE" -cf archive.tar a.pdf
    tar -xf archive.tar
    cmp "$OLD" a.pdf
    expect "a.pdf=$OLD"
}
one "tar c of the mount" out
finish
