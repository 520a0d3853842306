#!/bin/sh
# Whole processes on a large SOFTWARE hive: this program from start to the verdicts of three mounts, its peers from start to
# the three registrations.
#
# usage: benches/compare-hives.sh [MEGABYTES...]        (default: 10 100 1000)
#
# Needs GNU time and strace; a peer that is not installed is left out: hivexsh (libhivex-bin), and for python3
# python-registry, regipy, libregf-python. The hive is in the page cache. "read" is what read calls delivered of the
# hive itself; a memory map shows as 0 there, and in the memory instead. The last column says who applies transaction
# logs: none of the peers does so by itself, when the logs lie beside the hive.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --release --example make_software_hive
cargo build --quiet --release --features cli
cargo build --quiet --release --manifest-path benches/peers/nt-hive/Cargo.toml || true
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
hive=$folder/SOFTWARE

cat >"$folder/peer-python-registry.py" <<'PY'
import sys
from Registry import Registry
for key in Registry.Registry(sys.argv[1]).open("Microsoft\\WIMMount\\Mounted Images").subkeys():
    print(key.name(), key.timestamp(), [(v.name(), v.raw_data()) for v in key.values()])
PY
cat >"$folder/peer-regipy.py" <<'PY'
import sys
from regipy.registry import RegistryHive
for key in RegistryHive(sys.argv[1]).get_key("\\Microsoft\\WIMMount\\Mounted Images").iter_subkeys():
    print(key.name, key.header.last_modified, [(v.name, v.value) for v in key.iter_values()])
PY
cat >"$folder/peer-libregf.py" <<'PY'
import sys
import pyregf
file = pyregf.file()
file.open(sys.argv[1])
for key in file.get_key_by_path("Microsoft\\WIMMount\\Mounted Images").sub_keys:
    print(key.name, key.last_written_time, [(v.name, v.data) for v in key.values])
PY
printf 'cd \\Microsoft\\WIMMount\\Mounted Images\nls\n' >"$folder/hivexsh.txt"

# measure NAME REPLAYS COMMAND...
measure() {
    name=$1 replays=$2
    shift 2
    "$@" >"$folder/out" 2>/dev/null || { printf '%-16s not available\n' "$name"; return; }
    best=
    for _ in 1 2 3 4 5; do
        start=$(date +%s%N)
        "$@" >/dev/null 2>&1
        end=$(date +%s%N)
        took=$(((end - start) / 1000))
        if [ -z "$best" ] || [ "$took" -lt "$best" ]; then best=$took; fi
    done
    peak=$(/usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -1)
    strace -f -y -e trace=read,pread64 -o "$folder/trace" "$@" >/dev/null 2>&1 || true
    read=$(awk -v hive="$hive>" 'index($0, hive) { sum += $NF } END { print sum + 0 }' "$folder/trace")
    printf '%-16s %10s us %12s bytes read %8s KiB peak   logs: %s\n' "$name" "$best" "$read" "$peak" "$replays"
}

[ $# -gt 0 ] || set -- 10 100 1000
for megabytes in "$@"; do
    target/release/examples/make_software_hive "$hive" "$megabytes"
    echo "hive of $(stat -c %s "$hive") bytes"
    measure this "both formats" target/release/dism-mount-status --format json --fail-on never "$hive"
    measure nt-hive none benches/peers/nt-hive/target/release/peer-nt-hive "$hive"
    measure hivexsh none hivexsh -f "$folder/hivexsh.txt" "$hive"
    measure python-registry "new format, when called for" python3 "$folder/peer-python-registry.py" "$hive"
    measure regipy "when called for" python3 "$folder/peer-regipy.py" "$hive"
    measure libregf none python3 "$folder/peer-libregf.py" "$hive"
done
