#!/bin/sh
# Makes the two Python environments that the tests against real Django need: django52 and django42 under
# $CAIRNFS_TEST_ENV (default: .test-env in the project). Safe to run again: what stands is left alone.
set -eu

project=$(cd "$(dirname "$0")/../.." && pwd)
env_dir=${CAIRNFS_TEST_ENV:-$project/.test-env}
python=${PYTHON:-python3}

say_and_fail() {
    echo "django.sh: $1" >&2
    exit 1
}

# make NAME CHECK REQUIREMENT...: a virtualenv NAME with the requirements, unless the Python lines CHECK run in it.
make() {
    name=$1
    check=$2
    shift 2
    if "$env_dir/$name/bin/python" -c "$check" >/dev/null 2>&1; then
        return 0
    fi
    echo "installing $* into $env_dir/$name"
    "$python" -m venv --clear "$env_dir/$name" ||
        say_and_fail "cannot make a virtualenv in $env_dir/$name; on Debian: apt-get install python3-venv"
    "$env_dir/$name/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
        say_and_fail "pip could not install $* in $env_dir/$name (see above)"
    "$env_dir/$name/bin/python" -c "$check" ||
        say_and_fail "$env_dir/$name does not work after the installation (see above)"
}

mkdir -p "$env_dir"
make django52 \
    'import django, storages, boto3; assert django.VERSION[:2] == (5, 2) and storages.__version__ == "1.14.6"' \
    'Django==5.2.*' django-storages==1.14.6 boto3
make django42 \
    'import django; assert django.VERSION[:2] == (4, 2)' \
    'Django==4.2.*'
