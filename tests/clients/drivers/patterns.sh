#!/usr/bin/env bash
# The system calls of desktop programs, in the order in which these make them: for where the programs are not installed.
. "$(dirname "$0")/../lib.sh"
needs "$PYTHON"
client "system calls of desktop programs" "$PYTHON --version" "for what does not run here: Explorer, Word, Excel, WinSCP, Nautilus, Finder’s litter"

# calls NAME: see patterns.py
calls() { "$PYTHON" -IS "$CLIENTS/patterns.py" "$1" "$SOURCE" "$TARGET"; }

explorer() { calls explorer; }
explorer_two_step() { calls explorer_two_step; }
chromium() { calls chromium; }
chromium_headless() { calls chromium_headless; }
firefox() { calls firefox; }
dolphin() { calls dolphin; }
dolphin_replace() { calls dolphin_replace; }
libreoffice() { calls libreoffice; }
word() { calls word; }
excel() { calls excel; }
winscp() { calls winscp; }
nautilus_replace() { calls nautilus_replace; }
both "Windows Explorer: size first, then the data" explorer
both "Explorer over WebDAV: empty, then filled" explorer_two_step
both "Chromium saves a download" chromium
both "Chromium without a window saves a download" chromium_headless
both "Firefox saves a download" firefox
both "Dolphin copies" dolphin
both "Dolphin replaces" dolphin_replace
both "LibreOffice saves" libreoffice
both "Word saves" word
both "Excel saves" excel
both "WinSCP puts" winscp
both "Nautilus replaces" nautilus_replace
refused "Windows Explorer" explorer

litter() {
    calls litter
    expect "report.pdf=$NEW" "local:.DS_Store=$WORK/litter" "local:._report.pdf=$WORK/litter" \
        "local:Thumbs.db=$WORK/litter" "local:desktop.ini=$WORK/litter" "local:.directory=$WORK/litter"
}
one "what desktops leave stays on this host" litter

bin_refused() {
    refuses mkdir "$HERE/.Trash-0"
    refuses mkdir "$HERE/.Trashes"
    expect
}
one "the bins of desktops are refused" bin_refused refused
finish
