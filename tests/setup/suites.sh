#!/usr/bin/env bash
# Builds the file-system test suites that tests/suites runs: pjdfstest and fsx, from crates.io. Doing it twice does no
# harm. They go to $CAIRNFS_TEST_ENV/suites, by default .test-env/suites in the project.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home="${CAIRNFS_TEST_ENV:-$project/.test-env}/suites"
mkdir -p "$home"

# install CRATE VERSION: the program of a crate, unless that version is there
install() {
    if [ -x "$home/bin/$1" ] && [ "$(cat "$home/$1.version" 2>/dev/null)" = "$2" ]; then
        return 0
    fi
    echo "building $1 $2 into $home"
    cargo install --quiet --locked --root "$home" --target-dir "$home/build" "$1" --version "=$2"
    test -x "$home/bin/$1"
    echo "$2" > "$home/$1.version"
}

install pjdfstest 0.2.2
install fsx 0.3.2
rm -rf "$home/build"
