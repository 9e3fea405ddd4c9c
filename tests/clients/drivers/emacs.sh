#!/usr/bin/env bash
# emacs: a lock file and an automatic save beside the file; after the save it opens the file again without writing.
. "$(dirname "$0")/../lib.sh"
needs emacs
client "Emacs" "emacs --version" "backups NAME~ stay on this host; file-precious-flag is refused"

# edit FILE LISP: visits, does, saves; with backups also below /tmp
edit() {
    emacs -Q --batch --eval "(setq backup-enable-predicate #'always)" "$1" --eval "(progn $2 (save-buffer))"
}

new() {
    printf 'hello\n' >wanted
    edit "$HERE/a.txt" '(insert "hello\n")'
    expect a.txt=wanted
}
one "emacs saves a new name" new new

existing() {
    # a backup NAME~ by renaming, as is its default
    seed_text a.txt one two
    lines wanted helloone two
    edit "$HERE/a.txt" '(insert "hello")'
    expect a.txt=a.txt "a_*.txt=wanted" local:a.txt~=a.txt
}
one "emacs saves an object" existing existing

backup_copy() {
    seed_text a.txt one two
    lines wanted helloone two
    edit "$HERE/a.txt" '(setq backup-by-copying t) (insert "hello")'
    expect a.txt=a.txt "a_*.txt=wanted" local:a.txt~=a.txt
}
one "emacs saves an object, backup-by-copying" backup_copy existing

no_backup() {
    seed_text a.txt one two
    lines wanted helloone two
    edit "$HERE/a.txt" '(setq make-backup-files nil) (insert "hello")'
    expect a.txt=a.txt "a_*.txt=wanted"
}
one "emacs saves an object, no backup" no_backup existing

precious() {
    # its temporary name, tmpXXXXXX, is no scratch name
    seed_text a.txt one two
    refuses edit "$HERE/a.txt" '(setq file-precious-flag t make-backup-files nil) (insert "hello")'
    expect a.txt=a.txt
}
one "emacs with file-precious-flag is refused" precious refused

terminal() {
    seed_text a.txt one two
    lines wanted helloone two
    "$PYTHON" -IS "$CLIENTS/keys.py" emacs -Q -nw --eval '(setq make-backup-files nil)' "$HERE/a.txt" <<'KEYS'
wait two
keys hello
wait hello
keys \x18\x13
wait Wrote
keys \x18\x03
end
KEYS
    expect a.txt=a.txt "a_*.txt=wanted"
}
one "emacs at a terminal" terminal existing

refused_type() {
    refuses emacs -Q --batch --eval "(with-temp-file \"$HERE/a.exe\" (insert \"hello\"))"
    expect
}
one "emacs saves a forbidden type" refused_type refused
finish
