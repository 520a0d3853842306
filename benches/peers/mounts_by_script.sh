#!/bin/sh
# What a script would do with a disk image, for benches/compare: the registrations, and the stream and the header of each image, by
# qemu-nbd where there is /dev/nbd0 (as root), else qemu-img, and ntfscat and hivexsh.
#
# usage: mounts_by_script.sh VHDX
set -eu
image=$1 folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -e /dev/nbd0 ]; then
    qemu-nbd --read-only --connect=/dev/nbd0 "$image"
    trap 'qemu-nbd --disconnect /dev/nbd0 >/dev/null; rm -rf "$folder"' EXIT
    until [ -e /dev/nbd0p1 ]; do sleep 0.01; done
    volume=/dev/nbd0p1
else
    volume=$folder/volume.raw
    qemu-img convert --image-opts "driver=raw,offset=1048576,file.driver=vhdx,file.file.filename=$image" -O raw "$volume"
fi
ntfscat "$volume" Windows/System32/config/SOFTWARE >"$folder/hive"
printf 'cd \\Microsoft\\WIMMount\\Mounted Images\nls\n' | hivexsh "$folder/hive"
for number in 0 1 2; do
    ntfscat -a 0x80 -n '$WIMMOUNTDATA' "$volume" "mount/$number" | wc -c
    ntfscat "$volume" "images/$number.wim" | head -c 208 | wc -c
done
