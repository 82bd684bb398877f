"""A translating server that speaks OpenAI's protocol, and fails as servers do.

    python server.py --dictionary FILE --language ur --bill FILE [--latency-s 0.05] [--faults 0.3]

It translates what its dictionary holds and prints its port. Of the conversations, a share meets a
fault when it is asked for the first time. Each answer that a provider would charge for is a line of
the bill, with what is wrong with it, written before the answer is sent.
"""

import asyncio
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import tyro

FAULTS = (
    "busy", "error", "hang_up", "half", "cut", "language", "turns", "nothing", "chatter",
)  # fmt: skip
"""What may go wrong: 429, 500, no answer, half an answer, half a translation, another language, a
turn too few, an empty answer, words around the translation."""
_PARTS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How the server behaves.

    Attributes:
        dictionary: JSON: translations by English text, then by ISO 639-1 code.
        language: Code of the language that it translates into.
        wrong_language: Code of the one that it takes by mistake.
        bill: File with one line for each answer that costs money.
        latency_s: Time that an answer takes.
        faults: Share of the conversations that meet a fault.
        key: The API key that it wants; none if empty.
    """

    dictionary: Path
    language: str
    bill: Path
    wrong_language: str = "ru"
    latency_s: float = 0.0
    faults: float = 0.0
    key: str = ""


class TranslationServer:
    """The server.

    Args:
        serving: How it behaves.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._texts = json.loads(serving.dictionary.read_text(encoding="utf-8"))
        self._bill = os.open(serving.bill, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._asked: Counter[str] = Counter()

    async def serve(self, on_port: Callable[[int], None]) -> None:
        """Serves until it is cancelled.

        Args:
            on_port: Takes the port.
        """
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=256)
        on_port(server.sockets[0].getsockname()[1])
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client has left, perhaps killed.
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        if self._serving.key and headers.get("authorization") != f"Bearer {self._serving.key}":
            return await _send(writer, HTTPStatus.UNAUTHORIZED, {"error": {"message": "wrong key"}})
        await asyncio.sleep(self._serving.latency_s)
        return await self._answer(body, writer)

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        asked = body["messages"][-1]["content"].split("\n\n")[0]
        turns = [turn["text"] for turn in json.loads(asked)["turns"]]
        fault = self._fault(asked)
        if fault == "busy":
            return await _send(writer, HTTPStatus.TOO_MANY_REQUESTS, {}, {"Retry-After": "0.01"})
        if fault == "error":
            return await _send(writer, HTTPStatus.INTERNAL_SERVER_ERROR, {})
        if fault == "hang_up":
            return False
        words, finish = self._words(turns, fault)
        os.write(self._bill, f"{_digest(body['messages'])} {fault or 'whole'}\n".encode())
        usage = {"prompt_tokens": len(asked) // 4, "completion_tokens": len(words) // 2}
        message = {"role": "assistant", "content": words}
        answer = {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}
        return await _send(writer, HTTPStatus.OK, answer, is_half=fault == "half")

    def _fault(self, asked: str) -> str:
        """Returns what goes wrong: chosen by the conversation alone, and only the first time."""
        self._asked[asked] += 1
        number = int(_digest(asked)[:8], 16)
        if self._asked[asked] > 1 or number % _PARTS >= self._serving.faults * _PARTS:
            return ""
        return FAULTS[number // _PARTS % len(FAULTS)]

    def _words(self, turns: list[str], fault: str) -> tuple[str, str]:
        wrong = fault == "language"
        code = self._serving.wrong_language if wrong else self._serving.language
        found = [self._texts[turn][code] for turn in turns]
        text = json.dumps({"turns": found[:-1] if fault == "turns" else found}, ensure_ascii=False)
        if fault == "cut":
            return text[: len(text) // 2], "length"
        if fault == "nothing":
            return "", "stop"
        return (f"Sure! Here it is: {text}" if fault == "chatter" else text), "stop"


def _digest(value: Any) -> str:  # noqa: ANN401 - JSON values
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


async def _send(
    writer: asyncio.StreamWriter,
    status: HTTPStatus,
    body: dict[str, Any],
    headers: dict[str, str] | None = None,
    *,
    is_half: bool = False,
) -> bool:
    """Sends an answer; returns whether the connection stays."""
    data = json.dumps(body, ensure_ascii=False).encode()
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    writer.write(data[: len(data) // 2] if is_half else data)
    await writer.drain()
    return not is_half


if __name__ == "__main__":
    asyncio.run(TranslationServer(tyro.cli(Serving)).serve(lambda port: print(port, flush=True)))
