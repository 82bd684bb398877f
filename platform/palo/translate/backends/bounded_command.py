"""Runs a command on a text without a shell, within limits of time and output."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

_UTF8 = {"LC_ALL": "C.UTF-8"}
_READ_BYTES = 1 << 16
_SHOWN_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The result of a command.

    Attributes:
        output: Its standard output.
        error: The beginning of its standard error.
        code: Its exit status; negative for a signal.
    """

    output: str
    error: str
    code: int


class TooLongError(Exception):
    """The output of a command exceeded its limit."""


async def run_command(
    command: Sequence[str], text: str, *, timeout_s: float, max_bytes: int
) -> Finished:
    """Runs a command on a text; all processes that it started end with it.

    Args:
        command: The command and its arguments; no shell reads them.
        text: Its standard input.
        timeout_s: Longest time.
        max_bytes: Most bytes of its standard output.

    Returns:
        The result.

    Raises:
        TimeoutError: If it takes longer.
        TooLongError: If it writes more.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | _UTF8,
        start_new_session=True,  # so that its own processes can be ended with it
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    talk = asyncio.gather(
        _feed(process.stdin, text.encode()),
        _read(process.stdout, max_bytes),
        _beginning(process.stderr),
    )
    try:
        async with asyncio.timeout(timeout_s):
            _, output, error = await talk
            await process.wait()
    except TimeoutError:
        raise TimeoutError(f"it took longer than {timeout_s:g} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)
        for stream in (process.stdout, process.stderr):  # a pipe that isn't read never ends
            while await stream.read(_READ_BYTES):
                pass
        await process.wait()
    return Finished(
        output=output.decode("utf-8", "replace"),
        error=error.decode("utf-8", "replace").strip(),
        code=process.returncode or 0,
    )


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the command may end before it has read everything
        stream.write(data)
        await stream.drain()
    stream.close()


async def _read(stream: asyncio.StreamReader, max_bytes: int) -> bytes:
    output = bytearray()
    while part := await stream.read(_READ_BYTES):
        output += part
        if len(output) > max_bytes:
            raise TooLongError(f"it wrote more than {max_bytes:,} bytes")
    return bytes(output)


async def _beginning(stream: asyncio.StreamReader) -> bytes:
    kept = bytearray()
    while part := await stream.read(_READ_BYTES):
        kept += part[: _SHOWN_BYTES - len(kept)]
    return bytes(kept)
