#!/usr/bin/env bash
# Programs that read: each must see exactly what was put, and change nothing.
. "$(dirname "$0")/../lib.sh"
needs sha256sum md5sum grep find diff file du wc head tail
client "programs that read" "grep --version" "sha256sum, grep -r, find, diff -r, dd, mmap"

fill() {
    mkdir -p "$HERE/one/two"
    seed a.pdf
    seed one/b.pdf "$NEW"
    cp "$OLD" a.pdf
    mkdir -p one/two
    cp "$NEW" one/b.pdf
    seed_text one/two/c.txt "a needle" "hay" "the end"
}

same() { expect "a.pdf=$OLD" "one/b.pdf=$NEW" one/two/c.txt=one/two/c.txt; }

sums() {
    fill
    sha256sum a.pdf one/b.pdf one/two/c.txt >sums.txt
    (cd "$HERE" && sha256sum --quiet --strict -c "$WORK/sums.txt")
    md5sum a.pdf one/b.pdf one/two/c.txt >sums.txt
    (cd "$HERE" && md5sum --quiet --strict -c "$WORK/sums.txt")
    same
}
one "sha256sum -c, md5sum -c" sums

search() {
    fill
    [ "$(grep -rl needle "$HERE")" = "$HERE/one/two/c.txt" ]
    [ "$(grep -rh needle "$HERE")" = "a needle" ]
    [ "$(grep -rc hay "$HERE/one/two")" = "$HERE/one/two/c.txt:1" ]
    fails grep -rq "not there" "$HERE"
    same
}
one "grep -r" search

listed() {
    fill
    [ "$(cd "$HERE" && find . -type f | sort | tr '\n' ' ')" = "./a.pdf ./one/b.pdf ./one/two/c.txt " ]
    [ "$(cd "$HERE" && find . -type d | sort | tr '\n' ' ')" = ". ./one ./one/two " ]
    [ "$(find "$HERE" -size +100k -printf '%f %s')" = "b.pdf 300007" ]
    [ "$(find "$HERE" -name '*.txt' -exec cat {} + | wc -l)" = 3 ]
    [ "$(find "$HERE" -newermt '2020-01-01' -type f | wc -l)" = 3 ]
    ls -laR "$HERE" >/dev/null
    [ "$(find "$HERE" -type f -print0 | xargs -0 cat | wc -c)" = $((5003 + 300007 + 21)) ]
    same
}
one "find, ls -lR, xargs" listed

compared() {
    fill
    rm report.pdf
    diff -r "$WORK" "$HERE"
    cmp a.pdf "$HERE/a.pdf"
    same
}
one "diff -r, cmp" compared

parts() {
    fill
    head -c 1000 "$HERE/one/b.pdf" | cmp - <(head -c 1000 "$NEW")
    tail -c 1000 "$HERE/one/b.pdf" | cmp - <(tail -c 1000 "$NEW")
    tail -n 1 "$HERE/one/two/c.txt" | grep -x "the end" >/dev/null
    dd if="$HERE/one/b.pdf" bs=1 skip=123456 count=777 status=none | cmp - <(tail -c +123457 "$NEW" | head -c 777)
    [ "$(wc -c <"$HERE/one/b.pdf")" = 300007 ]
    [ "$(stat -c '%s %F' "$HERE/a.pdf")" = "5003 regular file" ]
    [ "$(file -b --mime-type "$HERE/one/two/c.txt")" = text/plain ]
    du -s "$HERE" >/dev/null
    df "$HERE" >/dev/null
    "$PYTHON" -IS -c 'import mmap, sys
with open(sys.argv[1], "rb") as f, open(sys.argv[2], "rb") as g:
    m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    assert m[:] == g.read()' "$HERE/one/b.pdf" "$NEW"
    same
}
one "head, tail, dd, wc, stat, file, du, df, mmap" parts

several() {
    # eight readers at once
    fill
    seq 8 | xargs -P 8 -I {} cp "$HERE/one/b.pdf" copy{}.pdf
    for i in 1 2 3 4 5 6 7 8; do cmp "$NEW" "copy$i.pdf"; done
    same
}
one "eight cp at once read one object" several

while_written() {
    # who holds the old object open goes on reading the old bytes
    seed report.pdf
    exec 5<"$TARGET"
    head -c 1000 <&5 >first
    cp "$NEW" "$TARGET"
    cat <&5 >rest
    exec 5<&-
    # head may have read ahead of what it gave out
    tail -c "$(wc -c <rest)" "$OLD" | cmp - rest
    cmp first <(head -c 1000 "$OLD")
    expect "report.pdf=$OLD" "report_*.pdf=$NEW"
}
one "a reader while the name is written" while_written
finish
