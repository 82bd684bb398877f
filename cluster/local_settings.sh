# Sourced by node_env.sh on the nodes of local.yaml. `make cluster` writes the values.
export PALO_STORE=~/palo/store  # = local.store
export PALO_HEAD_IP=127.0.0.1  # = local.head
# The name is older than what it does: with 0, without workers, Ray stays on the loopback interface.
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0  # = local.has_workers
