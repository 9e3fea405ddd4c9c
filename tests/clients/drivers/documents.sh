#!/usr/bin/env bash
# Programs that make and change documents and pictures: qpdf, Ghostscript, poppler, ImageMagick.
. "$(dirname "$0")/../lib.sh"
needs qpdf gs pdftoppm /usr/bin/convert /usr/bin/mogrify
client "Ghostscript, poppler" "gs --version"

# page FILE TEXT: a PDF with one page that says TEXT
page() {
    printf '/Helvetica findfont 24 scalefont setfont 72 700 moveto (%s) show showpage\n' "$2" |
        gs -q -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile="$1" -
}

# is_pdf FILE TEXT: it is whole and says TEXT
is_pdf() {
    qpdf --check "$1" >/dev/null
    pdftotext "$1" - | grep "$2" >/dev/null
}

gs_new() {
    page "$HERE/a.pdf" hello
    cp "$HERE/a.pdf" .
    is_pdf a.pdf hello
    expect a.pdf=a.pdf
}
one "gs writes a new name" gs_new new

gs_existing() {
    seed a.pdf
    page "$HERE/a.pdf" hello
    cp "$HERE"/a_*.pdf a.pdf
    is_pdf a.pdf hello
    expect "a.pdf=$OLD" "a_*.pdf=a.pdf"
}
one "gs writes an object" gs_existing existing

gs_read() {
    page a.pdf hello
    seed a.pdf a.pdf
    gs -q -dBATCH -dNOPAUSE -sDEVICE=png16m -sOutputFile="$HERE/a.png" "$HERE/a.pdf"
    cp "$HERE/a.png" .
    [ "$(/usr/bin/identify -format %m a.png)" = PNG ]
    pdftoppm -png -singlefile "$HERE/a.pdf" "$HERE/b"
    cp "$HERE/b.png" .
    [ "$(/usr/bin/identify -format %m b.png)" = PNG ]
    expect a.pdf=a.pdf a.png=a.png b.png=b.png
}
one "gs and pdftoppm make pictures of an object" gs_read new

qpdf_new() {
    page a.pdf hello
    qpdf --linearize a.pdf "$HERE/a.pdf"
    cp "$HERE/a.pdf" b.pdf
    is_pdf b.pdf hello
    expect a.pdf=b.pdf
}
client "qpdf" "qpdf --version"
one "qpdf writes a new name" qpdf_new new

qpdf_existing() {
    page a.pdf hello
    seed b.pdf
    qpdf a.pdf "$HERE/b.pdf"
    cp "$HERE"/b_*.pdf b.pdf
    is_pdf b.pdf hello
    expect "b.pdf=$OLD" "b_*.pdf=b.pdf"
}
one "qpdf writes an object" qpdf_existing existing

qpdf_replace() {
    page a.pdf hello
    seed a.pdf a.pdf
    qpdf --linearize --replace-input "$HERE/a.pdf"
    cp "$HERE"/a_*.pdf b.pdf
    is_pdf b.pdf hello
    expect a.pdf=a.pdf "a_*.pdf=b.pdf"
}
one "qpdf --replace-input" qpdf_replace existing

convert_new() {
    /usr/bin/convert -size 40x30 xc:red "$HERE/a.png"
    cp "$HERE/a.png" .
    [ "$(/usr/bin/identify -format '%m %w' a.png)" = "PNG 40" ]
    expect a.png=a.png
}
client "ImageMagick" "/usr/bin/convert --version" "convert, mogrify"
one "convert writes a new name" convert_new new

convert_existing() {
    seed a.png
    /usr/bin/convert -size 40x30 xc:red "$HERE/a.png"
    cp "$HERE"/a_*.png b.png
    [ "$(/usr/bin/identify -format '%m %w' b.png)" = "PNG 40" ]
    expect "a.png=$OLD" "a_*.png=b.png"
}
one "convert writes an object" convert_existing existing

mogrify_existing() {
    /usr/bin/convert -size 40x30 xc:red a.png
    seed a.png a.png
    /usr/bin/mogrify -resize 20x "$HERE/a.png"
    cp "$HERE"/a_*.png b.png
    [ "$(/usr/bin/identify -format '%m %w' b.png)" = "PNG 20" ]
    expect a.png=a.png "a_*.png=b.png"
}
one "mogrify" mogrify_existing existing
finish
