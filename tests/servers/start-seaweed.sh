#!/usr/bin/env bash
# start-seaweed.sh DIR PORT [--bucket NAME] [--tls CERTIFICATE KEY] [--until-eof]
#
# Runs SeaweedFS in one process with everything it writes below DIR and S3 on 127.0.0.1:PORT; PORT+1 to PORT+7 are
# used as well. Waits until it takes writes, makes the bucket, prints one line with endpoint and keys, and leaves
# it running: stop-seaweed.sh DIR ends it.
#
# With --until-eof the script stays, and when its standard input ends it ends the server and removes DIR: whoever
# holds the other end of the pipe cannot leave a server behind, however he dies.
#
# Two defaults of the program are turned off: buckets that come into being by a PUT, and telemetry.
set -euo pipefail

usage="usage: start-seaweed.sh DIR PORT [--bucket NAME] [--tls CERTIFICATE KEY] [--until-eof]"
dir=$(realpath -m "${1:?$usage}")
port=${2:?$usage}
shift 2
bucket=
until_eof=
scheme=http
tls=()
while [ $# -gt 0 ]; do
    case $1 in
        --bucket) bucket=$2; shift 2 ;;
        --tls) scheme=https; tls=(-s3.cert.file="$2" -s3.key.file="$3"); shift 3 ;;
        --until-eof) until_eof=1; shift ;;
        *) echo "$usage" >&2; exit 2 ;;
    esac
done

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
weed="${CAIRNFS_TEST_ENV:-$here/../../.test-env}/seaweed/bin/weed"
if [ ! -x "$weed" ]; then
    echo "SeaweedFS is not installed; run tests/setup/seaweed.sh" >&2
    exit 1
fi
access_key=${S3_ACCESS_KEY:-cairnfs-test-key}
secret_key=${S3_SECRET_KEY:-cairnfs-test-secret}

mkdir -p "$dir/data"
cat > "$dir/s3.json" <<JSON
{"identities": [{"name": "test", "credentials": [{"accessKey": "$access_key", "secretKey": "$secret_key"}],
                 "actions": ["Admin", "Read", "List", "Tagging", "Write"]}]}
JSON
# a Ctrl-C in the terminal is for the test, not for its server
launcher=(setsid)
if [ -n "$until_eof" ]; then
    # should even this script be killed
    launcher+=(setpriv --pdeathsig KILL)
fi
"${launcher[@]}" "$weed" server -dir="$dir/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -master.port=$((port + 1)) -master.port.grpc=$((port + 2)) \
    -volume.port=$((port + 3)) -volume.port.grpc=$((port + 4)) \
    -filer -filer.port=$((port + 5)) -filer.port.grpc=$((port + 6)) -filer.localSocket="$dir/filer.sock" \
    -s3 -s3.port="$port" -s3.port.grpc=$((port + 7)) -s3.localSocket="$dir/s3.sock" \
    -s3.port.iceberg=0 -s3.port.lance=0 -s3.iam=false -s3.autoCreateBucket=false -s3.config="$dir/s3.json" \
    -master.volumeSizeLimitMB=64 -volume.max=200 -volume.preStopSeconds=1 -master.telemetry=false "${tls[@]}" \
    >"$dir/log" 2>&1 </dev/null &
pid=$!
echo "$pid" > "$dir/pid"
echo "$port" > "$dir/port"

if [ -n "$until_eof" ]; then
    finish() {
        # whoever read our messages may be gone
        exec >/dev/null 2>&1
        "$here/stop-seaweed.sh" "$dir" || true
        rm -rf "$dir"
    }
    trap finish EXIT
    trap 'exit 1' INT TERM HUP
    trap '' PIPE
fi

# http METHOD PORT PATH: one plain request, the answer on stdout
http() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$2" || exit 1
        printf '%s %s HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n' "$1" "$3" >&3
        timeout 10 cat <&3 | tr -d '\0'
    ) 2>/dev/null || true
}

is_ready() {
    # S3 refuses the unsigned request; the master gives out a file id once there is a volume; the filer answers
    if [ "$scheme" = http ]; then
        [[ $(http GET "$port" /) == *" 403 "* ]] || return 1
    else
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 1
    fi
    [[ $(http GET $((port + 1)) /dir/assign) == *'"fid"'* ]] && [[ $(http GET $((port + 5)) /) == *" 200 "* ]]
}

for _ in $(seq 900); do
    if is_ready; then
        if [ -n "$bucket" ] && [[ $(http POST $((port + 5)) "/buckets/$bucket/") != *" 201 "* ]]; then
            echo "SeaweedFS does not make the bucket '$bucket'; see $dir/log" >&2
            exit 1
        fi
        echo "ENDPOINT=$scheme://127.0.0.1:$port S3_ACCESS_KEY=$access_key S3_SECRET_KEY=$secret_key PID=$pid"
        if [ -n "$until_eof" ]; then
            cat > /dev/null
        fi
        exit 0
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
        echo "SeaweedFS ended by itself:" >&2
        tail -5 "$dir/log" >&2
        exit 1
    fi
    sleep 0.1
done
echo "SeaweedFS is not ready after 90 s; see $dir/log" >&2
exit 1
