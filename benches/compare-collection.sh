#!/bin/sh
# A zip with a large SOFTWARE hive in it, as a collector leaves it: this program from start to the verdicts of three mounts,
# against `unzip -p`, which unpacks the same member to nowhere.
#
# usage: benches/compare-collection.sh [MEGABYTES...]        (default: 100)
#
# Needs unzip, python3 and GNU time. The archive is in the page cache. Best of seven runs, in turns.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --release --example make_software_hive
cargo build --quiet --release --features cli
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
member='uploads/ntfs/%5C%5C.%5CC%3A/Windows/System32/config/SOFTWARE'
# unzip takes the name for a pattern.
pattern='uploads/ntfs/*/Windows/System32/config/SOFTWARE'

cat >"$folder/pack.py" <<'PY'
import sys
import zipfile
archive, member, hive = sys.argv[1:]
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
    packed.write(hive, member)
    packed.writestr("uploads.json", "")
PY

# took COMMAND...: microseconds
took() {
    start=$(date +%s%N)
    "$@" >/dev/null
    end=$(date +%s%N)
    echo $(((end - start) / 1000))
}

[ $# -gt 0 ] || set -- 100
for megabytes in "$@"; do
    target/release/examples/make_software_hive "$folder/SOFTWARE" "$megabytes"
    rm -f "$folder/collection.zip"
    python3 "$folder/pack.py" "$folder/collection.zip" "$member" "$folder/SOFTWARE"
    ours=
    theirs=
    for _ in 1 2 3 4 5 6 7; do
        time=$(took target/release/dism-mount-status --format json --fail-on never "$folder/collection.zip")
        if [ -z "$ours" ] || [ "$time" -lt "$ours" ]; then ours=$time; fi
        time=$(took unzip -p "$folder/collection.zip" "$pattern")
        if [ -z "$theirs" ] || [ "$time" -lt "$theirs" ]; then theirs=$time; fi
    done
    peak=$(/usr/bin/time -f %M target/release/dism-mount-status --format json --fail-on never "$folder/collection.zip" 2>&1 >/dev/null | tail -1)
    printf 'hive of %s bytes in %s: this %s us, unzip -p %s us, ratio %s; %s KiB peak\n' \
        "$(stat -c %s "$folder/SOFTWARE")" "$(stat -c %s "$folder/collection.zip")" "$ours" "$theirs" \
        "$(awk "BEGIN { printf \"%.2f\", $ours / $theirs }")" "$peak"
done
