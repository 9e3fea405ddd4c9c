# For drivers that download: SERVED is a directory whose files are at URL.
SERVED=$SCRATCH/served
mkdir "$SERVED"
cp "$NEW" "$SERVED/report.pdf"
exec {server_output}< <(exec "$PYTHON" -IS "$CLIENTS/serve.py" "$SERVED")
SERVER=$!
AT_END+=('kill "$SERVER"')
read -r -u "$server_output" port || exit 1
URL=http://127.0.0.1:$port
