"""Waits until Ray has room for a group of workers: `python await_group.py ADDRESS`."""

import sys
import time

import ray
from ray.util import placement_group_table

_LOOK_EVERY_S = 0.02


def main(address: str) -> None:
    """Waits for the first group of a cluster.

    Args:
        address: Address of the cluster's head.
    """
    ray.init(address, log_to_driver=False)
    print("looking", flush=True)
    while not any(group["state"] == "CREATED" for group in placement_group_table().values()):
        time.sleep(_LOOK_EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1])
