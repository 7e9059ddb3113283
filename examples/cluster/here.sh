#!/usr/bin/env bash
# A cluster on this machine: a server and two workers, from nothing to the end of a batch.
#
#     examples/cluster/here.sh INPUTS.. -o DIR [OPTIONS OF resize push]
#
# RESIZE is the program (default: `resize` of the PATH), NATS_SERVER the server (default: what
# `.ci/cluster servers` installs). Everything that is started here ends with the script.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
resize=${RESIZE:-resize}
server=${NATS_SERVER:-$(command -v nats-server || "$here/../../.ci/cluster" servers | tail -1)}
port=${NATS_PORT:-4333}
store=$(mktemp -d)
started=()
end() {
    ((${#started[@]})) && kill "${started[@]}" 2>/dev/null
    wait
    rm -rf "$store"
}
trap end EXIT

"$server" -js -sd "$store" -a 127.0.0.1 -p "$port" 2>"$store/log" &
started+=($!)
until grep -q "Server is ready" "$store/log" 2>/dev/null; do
    # A port that is taken, for example.
    kill -0 "${started[0]}" 2>/dev/null || { cat "$store/log" >&2; exit 1; }
    sleep 0.1
done

export LONGSHORE_NATS=nats://127.0.0.1:$port
for number in 1 2; do
    "$resize" work --worker "here-$number" -j 1 --root "${ROOT:-/}" &
    started+=($!)
done
status=0
"$resize" push --wait "$@" || status=$?
"$resize" status || true
exit "$status"
