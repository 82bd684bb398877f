"""A judge on loopback with a latency, in a process of its own, which counts its requests."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from evaluating.behaviour import behaviour_of, name_of, reply_to

from palo.endpoint.connections import connection_settings

_LONGEST_SILENCE_S = 3600.0


class JudgeServer:
    """Starts the server for the length of a block.

    Args:
        latency_s: How long each reply takes, in seconds.
        misbehaves: Whether it does more than judge fairly.
    """

    def __init__(self, latency_s: float, *, misbehaves: bool = False) -> None:
        self._arguments = [str(latency_s), str(int(misbehaves))]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-m", "evaluating.judge_server", *self._arguments],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._address = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def url(self) -> str:
        """Its address up to and with /v1."""
        return f"{self._address}/v1"

    def asked(self) -> Counter[str]:
        """Returns how often each request came, by its name."""
        return Counter(
            httpx.get(
                f"{self._address}/asked", timeout=60.0, **connection_settings(self._address)
            ).json()
        )


async def _serve(latency_s: float, *, misbehaves: bool) -> None:
    asked: Counter[str] = Counter()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):  # the client left
            return
        finally:
            writer.close()

    async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if head.startswith("GET /asked"):
            _write(writer, 200, json.dumps(asked))
            return True
        body = await _body(reader, head)
        name, behaviour = name_of(body), behaviour_of(body, misbehaves=misbehaves)
        attempt = asked[name]
        asked[name] += 1
        if behaviour == "silent":
            await asyncio.sleep(_LONGEST_SILENCE_S)
        await asyncio.sleep(latency_s)
        if behaviour == "hangs up":
            return False
        _write(writer, *reply_to(body, behaviour, attempt))
        await writer.drain()
        return True

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _body(reader: asyncio.StreamReader, head: str) -> dict[str, Any]:
    lines = (line.partition(":") for line in head.lower().splitlines())
    lengths = [value for name, _, value in lines if name == "content-length"]
    values: dict[str, Any] = json.loads(await reader.readexactly(int(lengths[0])))
    return values


def _write(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    data = text.encode()
    head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), misbehaves=bool(int(sys.argv[2]))))
