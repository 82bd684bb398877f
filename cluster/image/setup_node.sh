#!/usr/bin/env bash
# Sets a node up: system packages, the locked packages, palo with its apps and jobs, the kernels.
#
#     cluster/image/setup_node.sh                      # everything; again, only what has changed
#     cluster/image/setup_node.sh packages cuda        # some steps, for one of PyTorch's builds
#
# `ray up` runs it on bare nodes, cluster/image/Dockerfile runs it step by step. In a container of
# that image it has nothing to do. PALO_VENV names the virtual environment, PALO_EXTRAS what of
# palo is needed, PALO_TORCH which of PyTorch's builds (cpu or cuda), PALO_PYTHON a Python; without it the
# first of the versions that are locked is taken.
set -euo pipefail

sources="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
venv="${PALO_VENV:-$sources/.venv}"
extras="${PALO_EXTRAS:-train evaluate serve translate}"
torch="${PALO_TORCH:-}"
steps=()
for word in "$@"; do
    case "$word" in
        system | packages | palo | kernels) steps+=("$word") ;;
        cpu | cuda) torch="$word" ;;
        *) echo "setup_node.sh: no step or build of PyTorch: $word" >&2 && exit 2 ;;
    esac
done
# Else the installer takes the build for CPUs wherever pip knows it.
if [ -z "$torch" ] && command -v nvidia-smi > /dev/null; then torch=cuda; fi

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

find_python() {
    local name
    for name in ${PALO_PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "setup_node.sh: no Python of 3.11 to 3.13: install one, or name it by PALO_PYTHON" >&2
    return 2
}

# A compiler for what is compiled at first use, rsync for `ray up`, and what the Python lacks.
system() {
    local needed=() python
    command -v g++ > /dev/null || needed+=(build-essential)
    command -v rsync > /dev/null || needed+=(rsync)
    python="$(find_python)"
    "$python" -c 'import ensurepip, venv' 2> /dev/null || needed+=(python3-venv)
    "$python" -c 'import pathlib, sysconfig
pathlib.Path(sysconfig.get_paths()["include"], "Python.h").stat()' 2> /dev/null || needed+=(python3-dev)
    [ "${#needed[@]}" = 0 ] && return
    # A fresh machine upgrades itself at first boot: wait for its lock.
    as_root apt-get -o DPkg::Lock::Timeout=900 -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=900 -yqq \
        install --no-install-recommends "${needed[@]}"
}

install_with() {
    test -x "$venv/bin/python" || "$(find_python)" -m venv "$venv"
    # shellcheck disable=SC2086 # several words
    "$venv/bin/python" "$sources/requirements/install.py" $extras ${torch:+--torch "$torch"} "$@"
}

packages() { install_with --packages-only; }

# A copy, whose byte code lies beside it; but a checkout that somebody works in stays linked.
palo() { if [ -e "$sources/.git" ]; then install_with; else install_with --copy; fi; }

# Each kind of processor has kernels of its own, so those of an image serve machines like the builder's.
kernels() {
    "$venv/bin/python" -c 'from palo.inference.cpu_kernels import kernel_library; kernel_library()'
}

fingerprint() {
    {
        echo "$extras $torch"
        find "$sources/requirements" "$sources/platform" "$sources/apps" "$sources/jobs" \
            -type f -not -path '*/__pycache__/*' -not -path '*.egg-info/*' -print0 |
            LC_ALL=C sort -z | xargs -0 sha256sum
        sha256sum "$sources/requirements.lock" "$sources/pyproject.toml"
    } | sha256sum
}

if [ "${#steps[@]}" -gt 0 ]; then
    for step in "${steps[@]}"; do "$step"; done
elif [ -n "${PALO_IMAGE:-}" ]; then
    echo "setup_node.sh: a container of the node image, $PALO_IMAGE: nothing to set up"
elif [ "$(cat "$venv/.node" 2> /dev/null)" = "$(fingerprint)" ]; then
    echo "setup_node.sh: nothing has changed"
else
    rm -f "$venv/.node"
    for step in system packages palo kernels; do "$step"; done
    fingerprint > "$venv/.node"
fi
