#!/usr/bin/env bash
# Programs that write a file anew "in place": sed -i, perl -i, patch, sort -o, split.
. "$(dirname "$0")/../lib.sh"
needs sed perl patch diff sort split ed
client "sed -i" "sed --version"

# each changes "one two three" to "one 2 three"
changed() {
    lines wanted one 2 three
    expect a.txt=a.txt "a_*.txt=wanted" "$@"
}

sed_inplace() {
    seed_text a.txt one two three
    sed -i s/two/2/ "$HERE/a.txt"
    changed
}
one "sed -i" sed_inplace existing

sed_backup() {
    seed_text a.txt one two three
    refuses sed -i.bak s/two/2/ "$HERE/a.txt"
    find "$HERE" -name 'sed??????' -delete
    expect a.txt=a.txt
}
one "sed -i.bak is refused: .bak is no allowed type" sed_backup refused

sed_tilde() {
    seed_text a.txt one two three
    sed -i~ s/two/2/ "$HERE/a.txt"
    changed local:a.txt~=a.txt
}
one "sed -i~" sed_tilde existing

perl_inplace() {
    seed_text a.txt one two three
    perl -pi -e 's/two/2/' "$HERE/a.txt"
    changed
}
client "perl -i" "perl --version"
one "perl -i" perl_inplace existing

perl_tilde() {
    seed_text a.txt one two three
    perl -pi~ -e 's/two/2/' "$HERE/a.txt"
    changed local:a.txt~=a.txt
}
one "perl -i~" perl_tilde existing

patched() {
    # its temporary name, a.txt.oXXXXXX, is no scratch name
    seed_text a.txt one two three
    lines new.txt one 2 three
    diff -u a.txt new.txt >changes.diff || true
    refuses patch -s "$HERE/a.txt" changes.diff
    expect a.txt=a.txt
    cp new.txt wanted
    patch -s -o - "$HERE/a.txt" changes.diff >"$HERE/b.txt"
    expect a.txt=a.txt b.txt=wanted
}
client "patch" "patch --version" "use patch -o"
one "patch is refused, patch -o - is not" patched refused

ed_saves() {
    seed_text a.txt one two three
    printf '2s/two/2/\nw\nq\n' | ed -s "$HERE/a.txt"
    changed
}
client "ed, sort -o, split" "ed --version"
one "ed" ed_saves existing

sorted() {
    seed_text a.txt b c a
    lines wanted a b c
    sort -o "$HERE/a.txt" "$HERE/a.txt"
    expect a.txt=a.txt "a_*.txt=wanted"
    sort -o "$HERE/b.txt" "$HERE/a.txt"
    expect a.txt=a.txt "a_*.txt=wanted" b.txt=wanted
}
one "sort -o" sorted existing

pieces() {
    split -b 100000 -d -a 1 --additional-suffix=.pdf "$SOURCE" "$HERE/piece"
    split -b 100000 -d -a 1 --additional-suffix=.pdf "$SOURCE" piece
    expect piece0.pdf=piece0.pdf piece1.pdf=piece1.pdf piece2.pdf=piece2.pdf piece3.pdf=piece3.pdf
}
one "split" pieces new
finish
