# Sourced by node_env.sh on the nodes of local.yaml. `make cluster` writes the values.
export PALO_STORE=~/palo/store  # = local.store
