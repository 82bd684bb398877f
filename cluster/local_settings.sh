# Sourced by node_env.sh on the nodes of local.yaml. `make cluster` writes the values.
export PALO_STORE=~/palo/store  # = local.store
export PALO_HEAD_IP=127.0.0.1  # = local.head
# Ray's second autoscaler, which `ray up` turns on, never starts the workers of a list of addresses.
export RAY_enable_autoscaler_v2=0
# The name is older than what it does: with 0, without workers, Ray stays on the loopback interface.
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0  # = local.has_workers
