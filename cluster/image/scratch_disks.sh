#!/usr/bin/env bash
# Mounts a node's own NVMe disks on /local, several as one RAID 0: for caches and for what Ray spills.
#
#     sudo cluster/image/scratch_disks.sh              # the instance store of EC2
#     sudo cluster/image/scratch_disks.sh --dry-run    # prints what it would do
#
# PALO_DISKS names the disks, PALO_DISK_MOUNT the folder. Disks that hold anything are left alone, and what
# this script made before, as after a reboot, is mounted again. Without such disks /local is a folder of
# the root disk.
set -euo pipefail

scratch="${PALO_DISK_MOUNT:-/local}"
array=/dev/md/palo
label=palo-scratch
owner="${SUDO_USER:-$(id -un)}"
run() { "$@"; }
[ "${1:-}" = --dry-run ] && run() { echo "$*"; }

# The model name tells the instance store from volumes of EBS, which are NVMe disks too.
own_disks() {
    if [ -n "${PALO_DISKS:-}" ]; then
        tr ' ' '\n' <<< "$PALO_DISKS"
    else
        lsblk --nodeps --noheadings --paths --output NAME,MODEL |
            awk '/Amazon EC2 NVMe Instance Storage/ {print $1}'
    fi
}

# blkid looks at the disk itself; it ends with 2 where it finds nothing. lsblk would believe udev.
is_empty() {
    local status=0
    blkid --probe "$1" > /dev/null || status=$?
    [ "$status" = 2 ]
}

mount_disk() { run mount -o noatime,nodiratime "$1" "$scratch"; }

format_disk() {
    run mkfs.ext4 -q -L "$label" -m 0 -E lazy_itable_init=1,nodiscard "$1"
    mount_disk "$1"
}

if mountpoint -q "$scratch"; then
    echo "scratch_disks.sh: $scratch is mounted already"
    exit 0
fi
run mkdir -p "$scratch"
disks=()
if made="$(blkid --cache-file /dev/null --label "$label")"; then
    mount_disk "$made"
else
    for disk in $(own_disks); do
        if is_empty "$disk"; then disks+=("$disk"); else echo "scratch_disks.sh: $disk isn't empty: left alone"; fi
    done
fi
if [ "${#disks[@]}" = 1 ]; then
    format_disk "${disks[0]}"
elif [ "${#disks[@]}" -gt 1 ]; then
    if ! command -v mdadm > /dev/null; then
        run apt-get -o DPkg::Lock::Timeout=900 -qq update
        run apt-get -o DPkg::Lock::Timeout=900 -yqq install --no-install-recommends mdadm
    fi
    run mdadm --create "$array" --run --level=0 --raid-devices="${#disks[@]}" "${disks[@]}"
    format_disk "$array"
fi
# For the node's user alone: the cache holds weights and images, spilled objects hold rows.
run install -d -o "$owner" -m 0700 "$scratch/cache" "$scratch/spill"
