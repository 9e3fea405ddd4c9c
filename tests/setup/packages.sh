#!/usr/bin/env bash
# Installs the Debian packages that the tests need: FUSE's helper, Python for the servers and Django, and the programs
# that tests copy files with.
set -euo pipefail

packages=(
    fuse3                      # mounting without being root
    gcc libc6-dev              # SQLite and TLS are compiled
    python3 python3-venv       # Django, SeaweedFS, processes that tests steer
    # the programs that tests/clients drives
    coreutils util-linux grep findutils diffutils dash file     # what users copy, compare and search with
    tar cpio gzip bzip2 xz-utils zstd unzip zip p7zip-full      # packing
    rsync curl wget rclone openssh-client openssh-server openssh-sftp-server samba smbclient # over the network
    sed perl patch ed vim nano emacs-nox                        # editing
    libglib2.0-bin                                              # gio: what GNOME's file manager does
    qpdf ghostscript poppler-utils imagemagick                  # documents and pictures
    sqlite3 git                                                 # what must be refused in words
    fio stress-ng              # suites of others: tests/suites
    systemd                    # systemd-analyze looks at the unit
)

# a user who is not root mounts, too; where no udev runs, as in containers, nobody has opened the device to users
if [ -c /dev/fuse ] && [ "$(id -u)" -eq 0 ]; then
    chmod 0666 /dev/fuse
fi

"$(dirname "${BASH_SOURCE[0]}")/debian.sh" "${packages[@]}"
