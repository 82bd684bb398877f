# What every shell on a node of a PALO cluster needs. ~/.bashrc and the start commands source it.
export PALO_HOME="${PALO_HOME:-$HOME/palo}"
export PATH="$PALO_HOME/.venv/bin:$PATH"

# Set on purpose on every node: Ray would otherwise decide by whether a token file lies around.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH="${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}"
export RAY_USAGE_STATS_ENABLED=0
# A job that is stopped saves a checkpoint first; Ray's own three seconds are too few for that.
export RAY_JOB_STOP_WAIT_TIME_S="${RAY_JOB_STOP_WAIT_TIME_S:-600}"

export TORCH_EXTENSIONS_DIR="$PALO_HOME/.cache/torch_extensions"
# Byte code beside the mounted sources would change their hash, and Ray restarts nodes for that.
export PYTHONPYCACHEPREFIX="$HOME/.cache/pycache"
