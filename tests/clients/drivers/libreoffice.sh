#!/usr/bin/env bash
# LibreOffice: a lock file .~lock.NAME# while a document is open; saves luXXXXXXXX.tmp, which it renames over an old document
# and copies to a new one, and then opens the document for writing once more without writing.
. "$(dirname "$0")/../lib.sh"
needs soffice unzip pdftotext
client "LibreOffice" "soffice --version" "convert, Save As, Save: odt, docx, xlsx"

# convert FILE FORMAT: into HERE, by a LibreOffice of its own. It ends with 0 whatever becomes of it.
convert() {
    soffice "-env:UserInstallation=file://$SCRATCH/converter" --headless --convert-to "$2" --outdir "$HERE" "$1" 2>&1
}

# office: one that stays, for the documents that the steps on standard input open and save
background soffice soffice --headless --norestore --accept="pipe,name=clients-$$;urp;"
office() { "$PYTHON" -s "$CLIENTS/office.py" "clients-$$"; }
office </dev/null

# text FILE: what a document says
text() {
    case $1 in
        *.pdf) pdftotext "$1" - ;;
        *.odt | *.ods) unzip -p "$1" content.xml ;;
        *.docx) unzip -p "$1" word/document.xml ;;
        *.xlsx) unzip -p "$1" xl/sharedStrings.xml ;;
        *) cat "$1" ;;
    esac | grep -o 'hello[ a-z]*'
}

# document NAME FILTER [FACTORY]: makes a document that says "hello" in WORK
document() {
    office <<STEPS
new ${3:-swriter}
type hello
save-as $WORK/$1	$2
close
STEPS
}

convert_new() {
    printf 'hello\n' >a.txt
    convert a.txt pdf
    cp "$HERE/a.pdf" .
    [ "$(text a.pdf)" = hello ]
    expect a.pdf=a.pdf
}
one "soffice --convert-to pdf" convert_new new

convert_existing() {
    printf 'hello\n' >a.txt
    seed a.pdf
    convert a.txt pdf
    cp "$HERE"/a_*.pdf a.pdf
    [ "$(text a.pdf)" = hello ]
    expect "a.pdf=$OLD" "a_*.pdf=a.pdf"
}
one "soffice --convert-to pdf onto an object" convert_existing existing

convert_object() {
    document a.odt writer8
    seed a.odt a.odt
    convert "$HERE/a.odt" docx
    cp "$HERE/a.docx" .
    [ "$(text a.docx)" = hello ]
    expect a.odt=a.odt a.docx=a.docx
}
one "soffice --convert-to docx of an object" convert_object new

convert_refused() {
    printf 'hello\n' >a.txt
    convert a.txt rtf >said
    grep "Io Class" said >/dev/null
    heard "$(grep -o "Error: .*" said)"
    expect
}
one "soffice --convert-to a forbidden type" convert_refused refused

# save_as NAME FILTER [FACTORY]: a new document into HERE
save_as() {
    office <<STEPS
new ${3:-swriter}
type hello
save-as $HERE/$1	$2
close
STEPS
    cp "$HERE/$1" .
    [ "$(text "$1")" = hello ]
    expect "$1=$1"
}
odt_new() { save_as a.odt writer8; }
docx_new() { save_as a.docx "MS Word 2007 XML"; }
xlsx_new() { save_as a.xlsx "Calc MS Excel 2007 XML" scalc; }
one "Save As, odt" odt_new new
one "Save As, docx" docx_new new
one "Save As, xlsx" xlsx_new new

# save NAME FILTER [FACTORY]: opens an object, changes it and saves
save() {
    document "$@"
    seed "$1" "$1"
    office <<STEPS
open $HERE/$1
type ${3:+hello} world
save
close
STEPS
    cp "$HERE/${1%.*}"_*."${1##*.}" saved."${1##*.}"
    [ "$(text saved."${1##*.}")" = "hello world" ]
    expect "$1=$1" "${1%.*}_*.${1##*.}=saved.${1##*.}"
}
odt_existing() { save a.odt writer8; }
docx_existing() { save a.docx "MS Word 2007 XML"; }
xlsx_existing() { save a.xlsx "Calc MS Excel 2007 XML" scalc; }
one "Save of an object, odt" odt_existing existing
one "Save of an object, docx" docx_existing existing
one "Save of an object, xlsx" xlsx_existing existing

save_as_existing() {
    seed a.odt
    office <<STEPS
new swriter
type hello
save-as $HERE/a.odt	writer8
close
STEPS
    cp "$HERE"/a_*.odt .
    [ "$(text a_*.odt)" = hello ]
    expect "a.odt=$OLD" "a_*.odt=$(echo a_*.odt)"
}
one "Save As onto an object" save_as_existing existing

save_twice() {
    # the second save finds the object as it was: it is a version of its own
    document a.odt writer8
    seed a.odt a.odt
    office <<STEPS
open $HERE/a.odt
type  world
save
type  again
save
close
STEPS
    cp "$HERE"/a_*.odt .
    local file first second
    for file in a_*.odt; do
        case $(text "$file") in
            "hello world") first=$file ;;
            "hello world again") second=$file ;;
        esac
    done
    expect a.odt=a.odt "a_*.odt=$first" "a_*.odt=$second"
}
one "Save of an object, twice" save_twice existing

open_only() {
    document a.odt writer8
    seed a.odt a.odt
    office <<<"open $HERE/a.odt"
    [ -e "$HERE/.~lock.a.odt#" ]
    # the next one of this LibreOffice closes it
    office <<STEPS
open $HERE/a.odt
close
STEPS
    expect a.odt=a.odt
}
one "open and close of an object" open_only existing

save_as_refused() {
    fails office 2>said <<STEPS
new swriter
type hello
save-as $HERE/a.exe	writer8
STEPS
    heard "$(cat said)"
    expect
}
one "Save As of a forbidden type" save_as_refused refused
finish
