#!/usr/bin/env bash
# Judges the same trees as they were captured into WIM files of every kind by wimlib: all must be judged alike.
#
# usage: tests/differential/captured_wims.sh
#
# Needs root, /dev/fuse, wimlib-imagex (wimtools), ntfs-3g and setfattr (attr); without them it is left out, which is a failure
# under CI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PATH="$PATH:/usr/sbin:/sbin"

missing=()
for command in wimlib-imagex ntfs-3g mkntfs setfattr; do
    command -v "$command" >/dev/null || missing+=("$command")
done
[[ $EUID -eq 0 ]] || missing+=(root)
[[ -e /dev/fuse ]] || missing+=(/dev/fuse)
if [[ ${#missing[@]} -gt 0 ]]; then
    echo "left out, for want of: ${missing[*]}"
    # /dev/fuse cannot be installed.
    [[ -z "${CI:-}" || ! -e /dev/fuse || $EUID -ne 0 ]] || exit 1
    exit 77
fi

cargo build --quiet --all-features
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
kinds=(lzx lzx-2m xpress xpress-4k none lzms solid solid-lzx pipable split)
bash fixtures/captured-wim/make.sh "$folder" "${kinds[@]}" >/dev/null 2>&1

# Registration and orphans of every image, without the name of the file.
judgement() {
    target/debug/dism-mount-status --find-orphans --fail-on never --format json "$1" |
        python3 -c 'import json, sys
report = json.load(sys.stdin)
for capture in report["captures"]:
    capture["evidence"] = None
    if capture["error"]:
        sys.exit(capture["error"]["message"])
    for image in capture["mounted_images"]:
        # Each run of the script makes the files anew.
        image["image_file_modified"] = None
json.dump(report["captures"], sys.stdout, indent=1)'
}

judgement "$folder/lzx.wim" >"$folder/expected"
images="$(grep -c '"mount_status"' "$folder/expected")"
[[ "$images" -gt 10 ]] || { echo "only $images mounted images"; exit 1; }
count=0 failed=0
for kind in "${kinds[@]}"; do
    file=("$folder/$kind".wim "$folder/$kind".esd "$folder/$kind".swm)
    for path in "${file[@]}"; do
        [[ -e "$path" ]] || continue
        judgement "$path" | diff "$folder/expected" - || { echo "$kind is judged in another way"; failed=$((failed + 1)); }
        count=$((count + 1))
    done
done
[[ $count -eq ${#kinds[@]} ]] || { echo "only $count files"; exit 1; }
echo "$images mounted images in each"
echo "trees captured by wimlib-imagex, judged alike: kinds: cases=$count equal=$((count - failed)) explained=0 unexplained=$failed"
exit $((failed > 0))
