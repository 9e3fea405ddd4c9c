#!/usr/bin/env bash
# Installs the programs with windows that tests/clients/full drives, and what a screen that nobody sees needs: some 500 MB
# that the other tests do without.
set -euo pipefail

packages=(
    libreoffice-writer libreoffice-calc python3-uno             # documents, steered from Python
    thunar                                                      # a file manager of the GTK kind
    kio kde-cli-tools                                           # what KDE's file manager copies with
    chromium                                                    # downloads
    xvfb openbox xdotool dbus adwaita-icon-theme fonts-dejavu-core # a screen, and hands
    at-spi2-core python3-pyatspi                                # eyes
    inotify-tools                                               # what a file manager is told
)

"$(dirname "${BASH_SOURCE[0]}")/debian.sh" "${packages[@]}"
