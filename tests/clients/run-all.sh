#!/usr/bin/env bash
# run-all.sh DIRECTORY [RESULTS [DRIVER...]]: drives real programs on a mount and says what became of each case.
#
# DIRECTORY is `clients` in a mount with domain.toml. RESULTS is a directory for the outcomes: results.tsv (outcome,
# driver, case, variant, message, client), clients.tsv (client, version, remark) and objects.tsv (SHA-256 and path
# below DIRECTORY of everything that the bucket must hold in the end). Fails if a case fails; one whose program is not installed is skipped.
set -u -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
directory=${1:?usage: run-all.sh DIRECTORY [RESULTS [DRIVER...]]}
results=${2:-$(mktemp -d)}
mkdir -p "$results"
: >"$results/results.tsv"
: >"$results/objects.tsv"
: >"$results/clients.tsv"

drivers=("${@:3}")
[ ${#drivers[@]} -gt 0 ] || for file in "$here"/drivers/*.sh; do drivers+=("$(basename "$file" .sh)"); done
for driver in "${drivers[@]}"; do
    timeout --kill-after=10 "${CLIENTS_LIMIT:-300}" "$here/drivers/$driver.sh" "$directory" "$results" </dev/null 2>"$results/errors"
    code=$?
    # a driver that fails has said which case did; one that ended otherwise has not
    if [ "$code" -gt 1 ] || { [ "$code" -eq 1 ] && ! grep -q "^fail	$driver	" "$results/results.tsv"; }; then
        [ "$code" -ne 124 ] || code="$code: it took too long"
        printf 'fail\t%s\teverything\t\tended with %s: %s\t%s\n' "$driver" "$code" "$(tail -n 3 "$results/errors" | tr '\n\t' '; ')" "$driver" |
            tee -a "$results/results.tsv"
    fi
done
rm -f "$results/errors"

count() { grep -c "^$1	" "$results/results.tsv"; }
echo "$(count pass) passed, $(count fail) failed, $(count known) with known faults, $(count skip) skipped"
[ "$(count fail)" -eq 0 ]
