# What every shell on a node of a PALO cluster needs. ~/.bashrc and the start commands source it.
export PALO_HOME="${PALO_HOME:-$HOME/palo}"
# A container of the node image has its environment on the path already.
[ -n "${PALO_IMAGE:-}" ] || export PATH="$PALO_HOME/.venv/bin:$PATH"

# Set on purpose on every node: Ray would otherwise decide by whether a token file lies around.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH="${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}"
export RAY_USAGE_STATS_ENABLED=0
# A job that is stopped saves a checkpoint first; Ray's own three seconds are too few for that.
export RAY_JOB_STOP_WAIT_TIME_S="${RAY_JOB_STOP_WAIT_TIME_S:-600}"

# How long `ray job stop` waits before it kills: a step of a large model, and its checkpoint.
export RAY_JOB_STOP_WAIT_TIME_S="${RAY_JOB_STOP_WAIT_TIME_S:-600}"

# The node's own fast disk, where cluster/image/scratch_disks.sh has mounted one.
PALO_SPILL=/tmp/palo-spill
if [ -w /local/cache ]; then
    export XDG_CACHE_HOME=/local/cache PALO_SCRATCH=/local/cache
    PALO_SPILL=/local/spill
fi
export PALO_SPILL

# Where the cluster keeps its runs: written from cluster/palo.toml.
if [ -e "$PALO_HOME/cluster/settings.sh" ]; then . "$PALO_HOME/cluster/settings.sh"; fi
