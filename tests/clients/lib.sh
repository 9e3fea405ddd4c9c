# What the drivers share. A driver begins with
#
#     . "$(dirname "$0")/../lib.sh"
#
# and is called as NAME.sh DIRECTORY [RESULTS]: DIRECTORY is in a mount and allows the file types of domain.toml, below
# RESULTS the outcome of each case goes to results.tsv and what the bucket must hold to objects.tsv.
#
# A case has a directory of its own in the mount (HERE) and one outside it (WORK). It passes if its commands succeed
# and HERE then holds exactly the names and bytes that it expects.
set -u -o pipefail

DRIVER=$(basename "$0" .sh)
CLIENTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIRECTORY=$(cd "${1:?usage: $DRIVER.sh DIRECTORY [RESULTS]}" && pwd) || exit 1
RESULTS=${2:-}
# how long a case waits for what it expects, in seconds; a publish by RELEASE comes after the close
PATIENCE=${CLIENTS_PATIENCE:-20}
PYTHON=/usr/bin/python3
# messages are compared
export LC_ALL=C.UTF-8
# nothing of the user's own settings, and nothing of ours for him
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/clients-$DRIVER-XXXXXX") || exit 1
export HOME=$SCRATCH/home TMPDIR=$SCRATCH/tmp GIT_CONFIG_NOSYSTEM=1
mkdir "$HOME" "$TMPDIR"
# at the end of the driver; drivers that start servers add to it
AT_END=()
# what a bus has started ends a moment after it
trap 'for command in "${AT_END[@]}"; do eval "$command"; done; rm -rf "$SCRATCH" 2>/dev/null || { sleep 1; rm -rf "$SCRATCH"; }' EXIT

cases=0
failures=0
KNOWN=
CLIENT=$DRIVER

# client NAME VERSION [REMARK]: the cases that follow are of this program; VERSION is a command that tells its version
client() {
    local version
    CLIENT=$1
    [ -n "$RESULTS" ] || return 0
    version=$(eval "$2" 2>&1 </dev/null | grep -om 1 '[0-9]\+\.[0-9][0-9A-Za-z.+-]*' | head -n 1)
    printf '%s\t%s\t%s\n' "$1" "$version" "${3:-}" >>"$RESULTS/clients.tsv"
}

# random SIZE: so many bytes that nobody else has
random() { head -c "$1" /dev/urandom; }

# The two contents of most cases: what stands in the bucket under the name, and what a program writes to it. Neither
# is a multiple of a block or a page.
OLD=$SCRATCH/old
NEW=$SCRATCH/new
EMPTY=$SCRATCH/empty
random 5003 >"$OLD"
random 300007 >"$NEW"
: >"$EMPTY"

# record OUTCOME TITLE VARIANT MESSAGE
record() {
    local line
    line=$(printf '%s\t%s\t%s\t%s\t%s\t%s' "$1" "$DRIVER" "$2" "$3" "$4" "$CLIENT")
    echo "$line"
    [ -z "$RESULTS" ] || echo "$line" >>"$RESULTS/results.tsv"
}

# needs PROGRAM...: the rest of the driver makes no sense without them
needs() {
    local program missing=()
    for program; do command -v "$program" >/dev/null || missing+=("$program"); done
    [ ${#missing[@]} -eq 0 ] && return
    record skip "everything" "" "not installed: ${missing[*]}"
    exit 0
}

# background NAME COMMAND...: starts a program that the cases need. It ends with the driver; what it says is in SCRATCH/NAME.
background() {
    local name=$1
    shift
    "$@" >"$SCRATCH/$name" 2>&1 &
    AT_END+=("kill $!; wait $!")
}

# case_of VARIANT TITLE FUNCTION: runs one case
case_of() {
    local variant=$1 title=$2 body=$3 message outcome=pass
    cases=$((cases + 1))
    WORK=$SCRATCH/case-$cases
    HERE=$(mktemp -d "$DIRECTORY/$DRIVER-$cases-XXXXXX") && mkdir "$WORK" || {
        record fail "$title" "$variant" "no directory in the mount"
        failures=$((failures + 1))
        return
    }
    TARGET=$HERE/report.pdf
    SOURCE=$WORK/report.pdf
    cp "$NEW" "$SOURCE"
    touch -d '2020-01-02 03:04:05' "$SOURCE"
    chmod 640 "$SOURCE"
    declare -A SEEDED=()
    : >"$SCRATCH/objects"
    : >"$SCRATCH/heard"
    # a subshell of its own, where -e holds: it does not in a function that is part of a condition
    (
        set -e
        cd "$WORK"
        "$body"
    ) >"$SCRATCH/said" 2>&1 </dev/null
    if [ $? -ne 0 ]; then
        outcome=fail
        message=$(tail -n 4 "$SCRATCH/said" | tr '\n\t' '; ')
        # nobody has said what of it stays
        [ -z "$KNOWN" ] || { outcome=known && message="$KNOWN ($message)" && rm -rf "$HERE"; }
    elif [ -n "$KNOWN" ]; then
        outcome=fail message="it passes: take the mark of a known fault away"
    fi
    [ "$outcome" != fail ] || failures=$((failures + 1))
    # what a person was told where something was refused
    [ "$outcome" != pass ] || message=$(tr '\n\t\r' '; ' <"$SCRATCH/heard")
    [ -z "$RESULTS" ] || [ "$outcome" != pass ] || cat "$SCRATCH/objects" >>"$RESULTS/objects.tsv"
    record "$outcome" "$title" "$variant" "${message:-}"
    rm -rf "$WORK"
}

# one TITLE FUNCTION [VARIANT]: a case that says itself what it expects
one() { case_of "${3:-}" "$1" "$2"; }

# known_fault TITLE FUNCTION WHY: a case that fails for a reason that is known. That it passes is a failure: then the mark
# must go.
known_fault() {
    local PATIENCE=3
    KNOWN=$3
    case_of "" "$1" "$2"
    KNOWN=
}

# both TITLE FUNCTION: the function puts SOURCE to TARGET; once onto a new name, once onto that of an object
both() {
    PUT=$2
    case_of new "$1" put_new
    case_of existing "$1" put_existing
}

put_new() {
    "$PUT"
    expect "report.pdf=$NEW"
}

put_existing() {
    seed report.pdf
    "$PUT"
    expect "report.pdf=$OLD" "report_*.pdf=$NEW"
}

# refused TITLE FUNCTION: the function puts SOURCE to TARGET, a name that the rules forbid
refused() {
    PUT=$2
    case_of refused "$1" put_refused
}

put_refused() {
    TARGET=$HERE/report.exe
    refuses "$PUT"
    expect
}

# fails COMMAND...: and nothing is known of how. (`! COMMAND` would not do: -e passes over it.)
fails() {
    if "$@"; then
        echo "'$*' succeeded"
        return 1
    fi
}

# refuses COMMAND...: fails, and says why in words that people know
refuses() { says "Permission denied" "$@"; }

# says TEXT COMMAND...: fails, and TEXT is part of what it says
says() {
    local text=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "'$*' succeeded: $said"
        return 1
    fi
    grep -qF -- "$text" <<<"$said" || {
        echo "'$*' does not say '$text' but: $said"
        return 1
    }
    heard "$(grep -F -m 1 -- "$text" <<<"$said")"
}

# hears COMMAND...: succeeds, and what it says is what a person is told
hears() {
    local said
    said=$("$@") || {
        echo "$said"
        return 1
    }
    heard "$said"
}

# heard TEXT: what a person is told, with plain names in place of paths
heard() { sed "s|$HERE/||g; s|[\\\\]${HERE##*/}[\\\\]||g; s|$WORK/||g; s|$HERE|folder|g; s|$DIRECTORY/||g" <<<"$1" >>"$SCRATCH/heard"; }

# seed NAME [FILE]: makes an object with the bytes of FILE (OLD)
seed() {
    cp "${2:-$OLD}" "$HERE/$1"
    wait_for "$1 is an object" is_object "$HERE/$1"
    SEEDED[$1]="$(digest "${2:-$OLD}") $(stat -c %Y "$HERE/$1")"
}

# seed_text NAME LINE...: makes an object of these lines, and a copy of it in WORK
seed_text() {
    local name=$1
    shift
    printf '%s\n' "$@" >"$WORK/$name"
    seed "$name" "$WORK/$name"
}

# lines FILE LINE...: writes a plain file in WORK
lines() {
    local file=$1
    shift
    printf '%s\n' "$@" >"$WORK/$file"
}

# state FILE: what cairnfs says it is
state() { "$PYTHON" -IS -c 'import os, sys; print(os.getxattr(sys.argv[1], "user.cairn.state").decode())' "$1"; }

is_object() { [ "$(state "$1")" = object ]; }

# wait_for WHAT COMMAND...: until it succeeds
wait_for() {
    local what=$1 end=$((SECONDS + PATIENCE))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || {
            echo "it did not come to: $what"
            return 1
        }
        sleep 0.05
    done
}

# expect [[local:]NAME=FILE]...: HERE holds exactly these names with the bytes of these files, and objects that stood
# before the case have kept their time. `_*` in a name stands for a suffix; what is local does not reach the bucket. The
# last one of a case says what the bucket must hold in the end.
expect() {
    local end=$((SECONDS + PATIENCE))
    until compare "$@"; do
        [ "$SECONDS" -lt "$end" ] || {
            echo "$DIFFERENCE"
            return 1
        }
        sleep 0.05
    done
    printf '%s' "$OBJECTS" >"$SCRATCH/objects"
}

compare() {
    local wanted name file kind found plain digest
    local -A left=()
    DIFFERENCE='' OBJECTS=''
    while IFS= read -r -d '' name; do left[$name]=1; done < <(cd "$HERE" && find . -type f -printf '%P\0')
    for wanted; do
        kind=object
        [[ $wanted == local:* ]] && kind=local wanted=${wanted#local:}
        name=${wanted%%=*} file=${wanted#*=}
        found=
        for plain in "${!left[@]}"; do
            fits "$plain" "$name" && cmp -s "$file" "$HERE/$plain" && found=$plain && break
        done
        if [ -z "$found" ]; then
            DIFFERENCE="no '$name' with the right bytes among: $(listing)"
            return 1
        fi
        digest=$(digest "$file")
        # what another file took the place of may be younger
        if [[ ${SEEDED[$found]-} == "$digest "* ]] && [ "${SEEDED[$found]}" != "$digest $(stat -c %Y "$HERE/$found")" ]; then
            DIFFERENCE="'$found' has another time than before"
            return 1
        fi
        unset "left[$found]"
        [ "$kind" = local ] || OBJECTS+=$digest$'\t'${HERE##*/}/$found$'\n'
    done
    if [ ${#left[@]} -gt 0 ]; then
        DIFFERENCE="too much: ${!left[*]}"
        return 1
    fi
}

# digest FILE
digest() { sha256sum <"$1" | cut -d' ' -f1; }

listing() { (cd "$HERE" && find . -type f -printf '%P (%s bytes) ' | sort); }

# fits NAME PATTERN
fits() {
    local before after middle
    [[ $2 == *_\** ]] || { [ "$1" = "$2" ] && return || return 1; }
    before=${2%%_\**} after=${2#*_\*}
    [[ $1 == "$before"_*"$after" ]] || return 1
    middle=${1#"$before"_} middle=${middle%"$after"}
    [[ $middle =~ ^[A-Za-z0-9]{7}$ ]]
}

# gone FILE...: are not there any more
gone() {
    local file
    for file; do
        [ ! -e "$file" ] || {
            echo "$file is still there"
            return 1
        }
    done
}

# finish: the last line of a driver
finish() { [ "$failures" -eq 0 ]; }
