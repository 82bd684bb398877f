"""Makes the base weights of the nano scale anew: `python jobs/build_nano_base.py [FOLDER]`.

Takes about two hours on one core that multiplies in bfloat16 (AVX-512 BF16 or AMX), and twenty
times as long on one that doesn't. Without a folder it replaces the package's own weights.
"""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

import palo
from palo import command

_OWN = Path(palo.__file__).parent / "scenes" / "nano_base"


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseJob:
    """Makes the base weights of the nano scale anew, in hours.

    Attributes:
        folder: Folder to write; the package's own weights by default, which are replaced.
    """

    folder: Positional[Path] = _OWN


def main(arguments: list[str]) -> None:
    """Builds the weights with one thread, so that a second run gives the same ones."""
    job = command.override(BaseJob(), arguments, "jobs/build_nano_base.py")
    import torch

    from palo.scenes.nano_base.build import NanoBase, build_nano_base

    torch.set_num_threads(1)
    typed = " ".join(("python jobs/build_nano_base.py", *arguments))
    build_nano_base(job.folder, NanoBase(), typed, print)


if __name__ == "__main__":
    command.run_job(main)
