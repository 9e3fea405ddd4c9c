#!/usr/bin/env bash
# rclone: writes NAME.XXXXXXXX.partial, renames it and compares size and hash afterwards.
. "$(dirname "$0")/../lib.sh"
needs rclone
client "rclone" "rclone version" "onto an object it says that the transfer failed, and deletes the old one (to the trash): use --ignore-existing"

copy_to() { rclone copyto "$SOURCE" "$TARGET"; }
copy_into() { rclone copy "$SOURCE" "$HERE"; }
pipe() { rclone rcat "$TARGET" <"$SOURCE"; }
move_to() { rclone moveto "$SOURCE" "$TARGET" && gone "$SOURCE"; }
new_only() { case_of new "$1" put_new; }
PUT=copy_to && new_only "rclone copyto"
PUT=copy_into && new_only "rclone copy"
PUT=pipe && new_only "rclone rcat"
PUT=move_to && new_only "rclone moveto"

# It looks at size and hash under the name that it gave, finds the old object there and says that the transfer failed.
existing() {
    seed report.pdf
    says "corrupted on transfer" rclone --retries 1 copyto "$SOURCE" "$TARGET"
    # so it clears its failed copy away
    expect "report.pdf=$OLD"
}
known_fault "rclone copyto an object" existing \
    "rclone removes 'its' failed copy by the name it gave: the old object goes to the trash, and the new version stays"

ignore_existing() {
    seed report.pdf
    rclone --ignore-existing copy "$SOURCE" "$HERE"
    expect "report.pdf=$OLD"
}
one "rclone --ignore-existing leaves objects alone" ignore_existing

refused_type() {
    fails rclone --retries 1 copyto "$SOURCE" "$HERE/report.exe" 2>said
    grep -qi "permission denied" said
    expect
}
one "rclone copyto of a forbidden type" refused_type refused

tree() {
    mkdir -p tree/one
    cp "$NEW" tree/a.pdf
    cp "$OLD" tree/one/b.pdf
    rclone sync tree "$HERE"
    rclone check tree "$HERE"
    expect "a.pdf=$NEW" "one/b.pdf=$OLD"
}
one "rclone sync and check" tree
finish
