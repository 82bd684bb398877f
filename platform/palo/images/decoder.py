"""Image decoding in a child process: an image that hangs or crashes the decoder costs only itself.

    parent -> child: length, the file's bytes
    child -> parent: kind, length, and pixels or a fault; once at the start "ready"

The child ends when its parent is gone, and after at most twice an image's time when a decoder
hangs. `Decoder` is the parent's half; `python -m palo.images.decoder` runs the child's.
"""

import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from palo.config import from_dict, to_dict
from palo.errors import ImageError, ResourceError
from palo.images.decode import decode_image, to_pixels
from palo.images.preprocessing import ImageLimits, Preprocessing
from palo.reasons import Reason

Decode = Callable[[bytes], npt.NDArray[np.uint8]]

REQUEST = struct.Struct("<Q")
REPLY = struct.Struct("<cQ")
READY, PIXELS, FAULT = b"R", b"P", b"F"
CHILD = (sys.executable, "-P", "-m", "palo.images.decoder")
"""Starts the child."""
_START_S = 120.0
_PIPE_BYTES = 1 << 20
_MAX_FAULT_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Confinement:
    """Limits of the child process.

    Attributes:
        niceness: Added to the niceness of this process, from 0 to 19.
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
    """Decodes the requests on standard input until it ends.

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
    Image.init()  # loads all formats, which would fail as an image does once memory is short
    from_dict(Confinement, settings["confinement"]).take_effect()
    serve(lambda data: to_pixels(decode_image(data, limits), preprocessing), limits.max_decode_s)


class Decoder:
    """Decodes images one by one in a child process, and starts it again when it is lost.

    Args:
        preprocessing: How an image becomes the tower's input.
        limits: How much an image may ask for.
        command: Starts a child that speaks as `palo.images.decoder` does.
        confinement: Limits of the child; none by default.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        limits: ImageLimits,
        command: Sequence[str] = CHILD,
        confinement: Confinement | None = None,
    ) -> None:
        settings = to_dict(
            {
                "preprocessing": preprocessing,
                "limits": limits,
                "confinement": confinement or Confinement(),
            }
        )
        self._command = (*command, json.dumps(settings))
        self._shape = (3, preprocessing.image_size, preprocessing.image_size)
        self._max_s = limits.max_decode_s
        self._child: _Child | None = None

    def decode(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Decodes and preprocesses an image.

        Args:
            data: The file's bytes.

        Returns:
            (3, image_size, image_size) uint8.

        Raises:
            ImageError: If it is damaged or too large, takes too long, or crashes the child.
            ResourceError: If no child can be started.
        """
        if self._child is None or not self._child.alive:
            self.close()
            self._child = _Child(self._command)
        try:
            kind, payload = self._child.ask(data, self._max_s, int(np.prod(self._shape)))
        except TimeoutError:
            self.close()
            raise ImageError(
                Reason.IMAGE_TOO_SLOW,
                seen=f"more than {self._max_s:g} s",
                fix="Save it again, or raise max_decode_s.",
            ) from None
        except OSError as error:
            ended = self._child.kill()
            self.close()
            seen = f"the decoder ended with {ended}" if ended is not None else error
            raise ImageError(Reason.IMAGE_CRASHES, seen=seen, fix="Save it again.") from None
        if kind == FAULT:
            fact, seen = json.loads(payload)
            raise ImageError(fact, seen=seen, fix="Save it again.")
        return np.frombuffer(payload, np.uint8).reshape(self._shape)

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None


@lru_cache(maxsize=1)
def shared_decoder(preprocessing: Preprocessing, limits: ImageLimits) -> Decoder:
    """Returns the decoder that all tasks of a process share, since a child takes a while to start.

    Args:
        preprocessing: How an image becomes the tower's input.
        limits: How much an image may ask for.
    """
    return Decoder(preprocessing, limits)


def _environment() -> dict[str, str]:
    """Returns the child's environment: it finds palo where this process found it.

    It doesn't get the whole path of a Ray worker, which begins with the working folder: a file
    there may have the name of a module.
    """
    own = Path(__file__).parents[2]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if own.name not in ("site-packages", "dist-packages"):  # which the child has behind its library
        paths.append(str(own))
    # The child computes nothing in threads, but BLAS would give each core's thread its memory.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return os.environ | threads | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


class _Child:
    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_environment(),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._source = self._process.stdout.fileno()
        self._sink = self._process.stdin.fileno()
        os.set_blocking(self._sink, False)
        for pipe in (self._source, self._sink):  # fewer switches between the processes
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            ready = self._receive(time.monotonic() + _START_S, 0)[0] == READY
        except OSError:
            ready = False
        if not ready:
            raise ResourceError(
                "the process that decodes images doesn't start",
                seen=f"it ended with {self.kill()}",
                fix=f"See what this prints: {' '.join(command[:-1])}",
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, data: bytes, max_s: float, num_bytes: int) -> tuple[bytes, bytearray]:
        """Sends an image and returns kind and content of the reply, of at most num_bytes."""
        deadline = time.monotonic() + max_s
        self._send(REQUEST.pack(len(data)), deadline)
        self._send(data, deadline)
        kind, payload = self._receive(deadline, num_bytes)
        if not (kind == FAULT or (kind == PIXELS and len(payload) == num_bytes)):
            raise BrokenPipeError("it sent what is no reply")
        return kind, payload

    def _send(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            _wait(self._sink, select.POLLOUT, deadline)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(self._sink, rest) :]

    def _receive(self, deadline: float, num_bytes: int) -> tuple[bytes, bytearray]:
        kind, size = REPLY.unpack(self._read(REPLY.size, deadline))
        if size > max(num_bytes, _MAX_FAULT_BYTES):
            raise BrokenPipeError("it sent what is no reply")
        return kind, self._read(size, deadline)

    def _read(self, count: int, deadline: float) -> bytearray:
        data = bytearray(count)
        rest = memoryview(data)
        while rest:
            _wait(self._source, select.POLLIN, deadline)
            got = os.readv(self._source, [rest])
            if not got:
                raise BrokenPipeError("it ended")
            rest = rest[got:]
        return data

    def kill(self) -> int | None:
        """Ends the process; returns its exit code, negative for a signal, where it had ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=0.2)  # one that crashes closes its pipes before it is gone
        ended = self._process.poll()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return ended


def _wait(pipe: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError


if __name__ == "__main__":
    main()
