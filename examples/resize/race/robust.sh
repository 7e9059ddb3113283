#!/usr/bin/env bash
# Robustness at length: 5,000 images in flat memory, stops at ten random moments, a full disk, an output directory that
# vanishes. Needs root for the full disk (a small tmpfs); without, that part is passed over.
#
#   cargo build --release -p longshore-resize && examples/resize/race/robust.sh [FOLDER]
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../../.." && pwd)
resize=${CARGO_TARGET_DIR:-$checkout/target}/release/resize
folder=${1:-$(mktemp -d)}
mkdir -p "$folder/in"
count=${COUNT:-5000}
photos=("$checkout"/examples/photos/*.jpg)
say() { printf '%s\n' "$*"; }
field() { python3 -c "import json,sys; d=json.load(open(sys.argv[1])); print(eval('d'+sys.argv[2]))" "$1" "$2"; }
total() { field "$folder/run.json" "['totals']['$1']"; }
fail() { say "FAILED: $*"; exit 1; }

# Small versions of the photographs, each linked many times: every name is a file of its own for the batch.
"$resize" "${photos[@]}" -o "$folder/seeds" -s 1000x1000 --quiet
seeds=("$folder"/seeds/*.jpg)
for ((number = 0; number < count; number++)); do
    ln -f "${seeds[number % ${#seeds[@]}]}" "$folder/in/$number.jpg"
done

say "== $count images in flat memory"
for some in 50 "$count"; do
    rm -rf "$folder/out"
    seq 0 $((some - 1)) | sed "s|^|$folder/in/|; s|\$|.jpg|" |
        "$resize" --files-from - -o "$folder/out" -s 200x200 --max-memory 64M -j 4 --json > "$folder/run.json"
    peak=$(($(field "$folder/run.json" "['peak_memory_bytes']") / 1000000))
    say "$some: $(total resized) resized, peak $peak MB, $(field "$folder/run.json" "['images_per_second']") images/s"
done

say "== stops at ten random moments"
rm -rf "$folder/out"
for moment in 1 2 3 4 5 6 7 8 9 10; do
    "$resize" "$folder/in" -o "$folder/out" -s 200x200 --json > "$folder/run.json" 2> "$folder/said" &
    process=$!
    sleep "$(python3 -c "import random; print(random.uniform(0.2, 2))")"
    # A process that bash starts in the background ignores SIGINT, and so does the program: SIGTERM it is.
    kill -TERM $process 2>/dev/null || true
    status=0; wait $process || status=$?
    files=$(find "$folder/out" -name '*.jpg' | wc -l)
    left=$(find "$folder/out" -name '*.tmp' | wc -l)
    [ "$status" = 143 ] || [ "$status" = 0 ] || fail "status $status"
    [ "$left" = 0 ] || fail "$left temporary files"
    say "status $status, $files files"
done
"$resize" "$folder/in" -o "$folder/out" -s 200x200 --quiet || fail "the rest"
[ "$(find "$folder/out" -name '*.jpg' | wc -l)" = "$count" ] || fail "files are missing"
python3 - "$folder/out" <<'PY' || fail "files without an end"
import pathlib, sys
sys.exit(any(not path.read_bytes().endswith(b"\xff\xd9") for path in pathlib.Path(sys.argv[1]).rglob("*.jpg")))
PY
say "all $count are whole"

say "== a full disk"
disk=$folder/disk
mkdir -p "$disk"
if mount -t tmpfs -o size=2M tmpfs "$disk" 2>/dev/null; then
    status=0
    "$resize" "$folder/in" -o "$disk/out" -s 200x200 --json > "$folder/run.json" 2> "$folder/said" || status=$?
    files=$(find "$disk" -name '*.jpg' | wc -l); left=$(find "$disk" -name '*.tmp' | wc -l)
    say "status $status, $files files, $left temporary ones, $(grep -c 'No space' "$folder/said") complaints"
    [ "$status" = 1 ] && [ "$left" = 0 ] && [ "$files" = "$(total resized)" ] || fail "a full disk"
    umount "$disk"
else
    say "notice: no tmpfs can be mounted, skipped"
fi

say "== an output directory that vanishes"
rm -rf "$folder/out"
"$resize" "$folder/in" -o "$folder/out" -s 200x200 --json > "$folder/run.json" 2> "$folder/said" &
process=$!
# While files are written to it, it may not be empty when its turn comes.
for _ in 1 2 3 4 5; do sleep 0.3; rm -rf "$folder/out" 2>/dev/null || true; done
status=0; wait $process || status=$?
say "status $status, $(total resized) resized, $(total failed) failed"
[ "$status" = 0 ] || [ "$status" = 1 ] || fail "status $status"
"$resize" "$folder/in" -o "$folder/out" -s 200x200 --quiet || fail "the rest"
[ "$(find "$folder/out" -name '*.jpg' | wc -l)" = "$count" ] || fail "files are missing"
say "done"
