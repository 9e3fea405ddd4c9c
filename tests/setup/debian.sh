#!/usr/bin/env bash
# debian.sh PACKAGE...: installs Debian packages. Asks for no rights where all of them are there.
set -euo pipefail

packages=("$@")
if ! command -v dpkg-query >/dev/null; then
    echo "this is no Debian: see that there are counterparts of ${packages[*]}" >&2
    exit 0
fi
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "as root, run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "installing ${missing[*]}"
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" >/dev/null
}
# lists that are missing or old: ask for new ones only where the install fails without
apt install --no-install-recommends -y "${missing[@]}" 2>/dev/null ||
    { apt update && apt install --no-install-recommends -y "${missing[@]}"; }
