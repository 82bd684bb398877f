"""Jobs on a cluster, over the job server of its head: code goes there, logs and exit codes come."""
