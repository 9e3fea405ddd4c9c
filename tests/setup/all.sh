#!/usr/bin/env bash
# Installs everything that the tests need, on Debian 12 or a relative of it, for root and for users with sudo alike.
# What is there already is left alone, so it may be run before every test. Python environments and the S3 server go to
# $CAIRNFS_TEST_ENV, by default .test-env in the project.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in packages.sh rust.sh django.sh seaweed.sh suites.sh; do
    echo "tests/setup/$part"
    "$here/$part" </dev/null
done
