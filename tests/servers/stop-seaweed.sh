#!/usr/bin/env bash
# stop-seaweed.sh DIR: ends the server that start-seaweed.sh DIR started. At once, since it takes ten seconds to end
# by itself and nothing of its data is wanted.
set -euo pipefail

dir=$(realpath "${1:?usage: stop-seaweed.sh DIR}")
pid=$(cat "$dir/pid")
port=$(cat "$dir/port")
if tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "-dir=$dir/data"; then
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
fi
# sockets that it names by port number and leaves behind
for offset in $(seq 0 7); do
    rm -f /tmp/seaweedfs-*-"$((port + offset))".sock
done
rm -f "$dir/pid" "$dir/port"
