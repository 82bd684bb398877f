"""The child process that decodes images for `palo.images.decoder`: a decoder may die in it.

    parent -> child: length, the file's bytes
    child -> parent: kind, length, and pixels or a fault; once at the start "ready"

It leaves when its parent is gone, and after at most twice an image's time when a decoder hangs.
"""

import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from palo.config import from_dict
from palo.errors import ImageError
from palo.images.decode import decode_image, to_pixels
from palo.images.limits import ImageLimits
from palo.images.preprocessing import Preprocessing
from palo.reasons import Reason

Decode = Callable[[bytes], npt.NDArray[np.uint8]]

REQUEST = struct.Struct("<Q")
REPLY = struct.Struct("<cQ")
READY, PIXELS, FAULT = b"R", b"P", b"F"


@dataclass(frozen=True, kw_only=True, slots=True)
class Confinement:
    """How much of the machine the child may take.

    Attributes:
        niceness: How far it stands back for other processes, from 0 to 19.
        max_bytes: Memory it may write to; None for as much as there is.
    """

    niceness: int = 0
    max_bytes: int | None = None

    def take_effect(self) -> None:
        """Confines this process, for good."""
        os.nice(self.niceness)
        if self.max_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (self.max_bytes, self.max_bytes))


def serve(decode: Decode, max_decode_s: float) -> None:
    """Decodes what comes on standard input until it ends.

    Args:
        decode: Makes pixels of a file's bytes.
        max_decode_s: How long the parent waits for an image.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints must not get between the replies
    _send(sink, READY, b"")
    while len(head := source.read(REQUEST.size)) == REQUEST.size:
        data = source.read(REQUEST.unpack(head)[0])
        # The signal kills without Python's help, and so a decoder that never returns too.
        signal.setitimer(signal.ITIMER_REAL, 2 * max_decode_s)
        kind, payload = _answer(decode, data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(sink, kind, payload)


def _answer(decode: Decode, data: bytes) -> tuple[bytes, bytes | memoryview]:
    try:
        return PIXELS, decode(data).data.cast("B")
    except ImageError as error:
        fault = (error.fact, error.seen[:200])
    except Exception as error:
        fault = (Reason.IMAGE_CRASHES, f"{type(error).__name__}: {error}"[:200])
    return FAULT, json.dumps(fault).encode()


def _send(sink: BinaryIO, kind: bytes, payload: bytes | memoryview) -> None:
    sink.write(REPLY.pack(kind, len(payload)))
    sink.write(payload)
    sink.flush()


def main() -> None:
    """Decodes with the settings that the command line holds as JSON."""
    settings = json.loads(sys.argv[1])
    limits = from_dict(ImageLimits, settings["limits"])
    preprocessing = from_dict(Preprocessing, settings["preprocessing"])
    from_dict(Confinement, settings["confinement"]).take_effect()
    serve(lambda data: to_pixels(decode_image(data, limits), preprocessing), limits.max_decode_s)


if __name__ == "__main__":
    main()
