#!/usr/bin/env bash
# curl: opens the final name with O_TRUNC, or with O_APPEND to go on with a broken download.
. "$(dirname "$0")/../lib.sh"
needs curl
client "curl" "curl --version" "--no-clobber counts on to NAME.1, which is no allowed type"
. "$CLIENTS/http.sh"

output() { curl -fsS -o "$TARGET" "$URL/report.pdf"; }
remote_name() { (cd "$HERE" && curl -fsSO "$URL/report.pdf"); }
remote_time() { curl -fsSR -o "$TARGET" "$URL/report.pdf"; }
stdout() { curl -fsS "$URL/report.pdf" >"$TARGET"; }
both "curl -o" output
both "curl -O" remote_name
both "curl -R" remote_time
both "curl >" stdout

refused_type() {
    fails curl -fsS -o "$HERE/report.exe" "$URL/report.pdf"
    expect
}
one "curl -o to a forbidden type" refused_type refused

resume() {
    # what was there is a part of the whole: it stays, and the whole gets a suffix
    head -c 100000 "$NEW" >part
    seed report.pdf part
    curl -fsS -C - -o "$TARGET" "$URL/report.pdf"
    expect report.pdf=part "report_*.pdf=$NEW"
}
one "curl -C - goes on with a part" resume existing

no_clobber() {
    seed report.pdf
    fails curl -fsS --no-clobber -o "$TARGET" "$URL/report.pdf"
    expect "report.pdf=$OLD"
}
one "curl --no-clobber is refused: report.pdf.1 is no allowed type" no_clobber refused

not_found() {
    fails curl -fsS -o "$TARGET" "$URL/missing.pdf"
    expect
}
one "curl -f of a missing page makes nothing" not_found

upload() {
    seed report.pdf
    curl -fsS "file://$TARGET" -o back.pdf
    cmp "$OLD" back.pdf
    expect "report.pdf=$OLD"
}
one "curl file:// reads from the mount" upload
finish
