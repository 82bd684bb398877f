# Sourced by node_env.sh on the nodes of ray_cluster.yaml. `make cluster` writes the values.
export PALO_STORE=s3://YOUR-BUCKET/palo  # = store
export AWS_REGION=us-east-1  # = aws.region
