#!/usr/bin/env bash
# gzip, bzip2, xz, zstd: in a folder of the mount they make the packed file and remove the plain one.
. "$(dirname "$0")/../lib.sh"
needs gzip bzip2 xz zstd
client "gzip, bzip2, xz, zstd" "gzip --version"

# packs a.pdf in the mount with $1, to a.pdf.$2, and unpacks it again
round() {
    seed a.pdf
    (cd "$HERE" && "$1" a.pdf)
    cp "$HERE/a.pdf.$2" .
    "$1" -dc "a.pdf.$2" | cmp - "$OLD"
    expect "a.pdf.$2=a.pdf.$2"
    (cd "$HERE" && "$1" -d "a.pdf.$2")
    expect "a.pdf=$OLD"
}
gzip_round() { round gzip gz; }
bzip2_round() { round bzip2 bz2; }
xz_round() { round xz xz; }
one "gzip and gzip -d" gzip_round new
one "bzip2 and bzip2 -d" bzip2_round new
one "xz and xz -d" xz_round new

zstd_new() {
    zstd -q "$SOURCE" -o "$HERE/a.zst"
    cp "$HERE/a.zst" .
    zstd -dqc a.zst | cmp - "$NEW"
    expect a.zst=a.zst
}
one "zstd -o" zstd_new new
unpack() { gzip -nc "$SOURCE" >packed.gz && gzip -dc packed.gz >"$TARGET"; }
zstd_unpack() { zstd -q "$SOURCE" -o packed.zst && zstd -dqf packed.zst -o "$TARGET"; }
both "gzip -dc >" unpack
both "zstd -d -f -o" zstd_unpack
refused "zstd -d -o" zstd_unpack
finish
