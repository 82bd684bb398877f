#!/usr/bin/env bash
# Mounts a node's own NVMe disks on /scratch, several as one RAID 0: for caches and for what Ray spills.
#
#     sudo cluster/image/scratch_disks.sh              # the instance store of EC2
#     sudo cluster/image/scratch_disks.sh --dry-run    # prints what it would do
#
# PALO_DISKS names the disks, PALO_SCRATCH the folder. Disks that hold a file system or a partition are
# left alone. Without such disks /scratch is a folder of the root disk. It does nothing the second time.
set -euo pipefail

scratch="${PALO_SCRATCH:-/scratch}"
array=/dev/md/palo
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

is_empty() { [ -z "$(lsblk --noheadings --output FSTYPE,PTTYPE "$1" | tr -d '[:space:]')" ]; }

mount_disk() {
    run mkfs.ext4 -q -m 0 -E lazy_itable_init=1,nodiscard "$1"
    run mount -o noatime,nodiratime "$1" "$scratch"
}

if mountpoint -q "$scratch"; then
    echo "scratch_disks.sh: $scratch is mounted already"
    exit 0
fi
disks=()
for disk in $(own_disks); do
    if is_empty "$disk"; then disks+=("$disk"); else echo "scratch_disks.sh: $disk isn't empty: left alone"; fi
done
run mkdir -p "$scratch"
if [ "${#disks[@]}" = 1 ]; then
    mount_disk "${disks[0]}"
elif [ "${#disks[@]}" -gt 1 ]; then
    if ! command -v mdadm > /dev/null; then
        run apt-get -o DPkg::Lock::Timeout=900 -qq update
        run apt-get -o DPkg::Lock::Timeout=900 -yqq install --no-install-recommends mdadm
    fi
    run mdadm --create "$array" --run --level=0 --raid-devices="${#disks[@]}" "${disks[@]}"
    mount_disk "$array"
fi
# For the node's user alone: the cache holds weights and images, spilled objects hold rows.
run install -d -o "$owner" -m 0700 "$scratch/cache" "$scratch/spill"
