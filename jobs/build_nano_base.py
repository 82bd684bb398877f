"""Makes the base weights of the nano scale anew: `python jobs/build_nano_base.py [FOLDER]`.

Takes about two hours on one core that multiplies in bfloat16 (AVX-512 BF16 or AMX), and twenty
times as long on one that doesn't. Without a folder it replaces the package's own weights.
"""

from pathlib import Path

import torch

import palo
from palo.command import run_job
from palo.scenes.nano_base.build import NanoBase, build_nano_base


def main(arguments: list[str]) -> None:
    """Builds the weights with one thread, so that a second run gives the same ones."""
    torch.set_num_threads(1)
    own = Path(palo.__file__).parent / "scenes" / "nano_base"
    folder = Path(arguments[0]) if arguments else own
    command = " ".join(("python jobs/build_nano_base.py", *arguments))
    build_nano_base(folder, NanoBase(), command, print)


if __name__ == "__main__":
    run_job(main)
