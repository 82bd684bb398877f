"""Compiles DeepSpeed's communication kernel once, so that no training waits a minute for it.

Run it as `python -m palo.train.warm_up`; `make setup` does. It needs a C++ compiler.
"""

import os
import sys

from palo.session import keep_extensions_apart
from palo.train.build_locks import free_build_locks


def main() -> int:
    """Builds the kernel for CPU workers; a machine with GPUs needs none."""
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    keep_extensions_apart()
    import torch

    if torch.cuda.is_available():
        return 0
    for lock in free_build_locks():
        print(f"{lock} was left by a process that was killed: removed", flush=True)
    print("Compiling DeepSpeed's communication kernel (once, about a minute) ...", flush=True)
    from deepspeed.ops.op_builder.cpu.comm import ShareMemCommBuilder

    ShareMemCommBuilder().load(verbose=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
