#!/usr/bin/env bash
# wget: looks how much is free, creates the final name; where that exists it counts on: NAME.1.
. "$(dirname "$0")/../lib.sh"
needs wget
client "wget" "wget --version" "use -O: without it counts on to NAME.1, which is no allowed type"
. "$CLIENTS/http.sh"

output() { wget -q -O "$TARGET" "$URL/report.pdf"; }
both "wget -O" output
output_verbose() { wget -nv -O "$TARGET" "$URL/report.pdf"; }
refused "wget -O" output_verbose

new() {
    (cd "$HERE" && wget -q "$URL/report.pdf")
    expect "report.pdf=$NEW"
}
one "wget" new new

counted() {
    seed report.pdf
    cd "$HERE"
    refuses wget -nv "$URL/report.pdf"
    expect "report.pdf=$OLD"
}
one "wget onto an object is refused: report.pdf.1 is no allowed type" counted refused

resume() {
    head -c 100000 "$NEW" >part
    seed report.pdf part
    (cd "$HERE" && wget -q -c "$URL/report.pdf")
    expect report.pdf=part "report_*.pdf=$NEW"
}
one "wget -c goes on with a part" resume existing

newer() {
    seed report.pdf
    touch -d '2100-01-01' "$SERVED/report.pdf"
    (cd "$HERE" && wget -q -N "$URL/report.pdf")
    expect "report.pdf=$OLD" "report_*.pdf=$NEW"
}
one "wget -N of a newer file" newer existing
finish
