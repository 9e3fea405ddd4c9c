#!/usr/bin/env bash
# Chromium without a window: a download goes to NAME.crdownload, closed half way and opened again, and is renamed over an
# empty file of its name.
. "$(dirname "$0")/../lib.sh"
needs chromium
client "Chromium" "chromium --version" "downloads, without a window"
. "$CLIENTS/http.sh"

download() { "$PYTHON" -I "$CLIENTS/browser.py" chromium "$WORK/profile" "$HERE" "$@"; }
one_file() { download "$URL/report.pdf"; }
both "download" one_file

several() {
    random 3000001 >"$SERVED/a.zip"
    random 4000001 >"$SERVED/b.zip"
    download "$URL/a.zip" "$URL/b.zip"
    expect "a.zip=$SERVED/a.zip" "b.zip=$SERVED/b.zip"
}
one "two downloads at once" several new

refused_type() {
    cp "$NEW" "$SERVED/setup.exe"
    says "canceled" download "$URL/setup.exe"
    expect
}
one "download of a forbidden type" refused_type refused
finish
