"""What attackers do: each attack is one or a few requests, and returns the statuses that it got."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from abuse_parts.bodies import KIB, MIB, png_bomb, quadratic_cookie, worst_completions
from abuse_parts.settings import Role

Attack = Callable[[httpx.AsyncClient], Awaitable[list[int]]]
_SLOW_S = 5.0
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Victim:
    """An endpoint with a chat page.

    Attributes:
        endpoint: Address of the endpoint, without a path.
        page: Address of the chat page, with a slash at its end.
        key: An API key.
        model: Name of a model.
    """

    endpoint: str
    page: str
    key: str
    model: str


async def attacks_of(role: Role, victim: Victim, client: httpx.AsyncClient) -> dict[str, Attack]:
    """Returns the attacks of a role, by name.

    Args:
        role: Who attacks.
        victim: Who is attacked.
        client: For what an attacker must know first.
    """
    if role == "stranger":
        return _of_a_stranger(victim)
    if role == "client":
        return _of_a_client(victim)
    return await _of_a_visitor(victim, client)


def _of_a_stranger(victim: Victim) -> dict[str, Attack]:
    models, page = f"{victim.endpoint}/v1/models", victim.page
    completions = f"{victim.endpoint}/v1/chat/completions"
    wrong = {"authorization": f"Bearer sk-palo-{'x' * 43}"}
    return {
        "cookie at the endpoint": _getting(models, {"cookie": quadratic_cookie(30 * KIB)}),
        "cookie at the page": _getting(page, {"cookie": quadratic_cookie(30 * KIB)}),
        "many headers": _getting(models, {f"x-{n}": "y" * 200 for n in range(90)}),
        "long query": _getting(f"{models}?{'a=b&' * (12 * KIB)}"),
        "long path": _getting(f"{victim.endpoint}/{'a/' * (12 * KIB)}"),
        "body without a key": _posting(completions, b"[" * (4 * MIB), _JSON),
        "body with a wrong key": _posting(completions, b"[" * (4 * MIB), _JSON | wrong),
        "dripping body": _dripping(completions, _JSON),
        "logins": _logging_in(f"{page}login", b"key=" + b"%25" * KIB),
        "logins like keys": _logging_in(f"{page}login", f"key=sk-palo-{'x' * 43}".encode()),
        "queue without a login": _posting(
            f"{page}gradio_api/queue/join", b'{"data":[]}' + b" " * MIB, _JSON
        ),
        "upload without a login": _uploading(f"{page}gradio_api/upload", b"\0" * MIB),
        "ranges": _getting(f"{page}theme.css", {"range": "bytes=" + ",".join(["0-"] * 4000)}),
    }


def _of_a_client(victim: Victim) -> dict[str, Attack]:
    headers = _JSON | {"authorization": f"Bearer {victim.key}"}
    completions = f"{victim.endpoint}/v1/chat/completions"
    attacks = {
        name: _posting(completions, body, headers)
        for name, body in worst_completions(victim.model).items()
    }
    attacks["metrics"] = _getting(f"{victim.endpoint}/metrics", headers, times=50)
    attacks["models"] = _getting(f"{victim.endpoint}/v1/models", headers, times=50)
    attacks["streams that nobody reads"] = _left_streams(completions, victim.model, headers)
    return attacks


async def _of_a_visitor(victim: Victim, client: httpx.AsyncClient) -> dict[str, Attack]:
    await _log_in(victim, client)
    config = (await client.get(f"{victim.page}config")).json()
    api = f"{victim.page}gradio_api"
    join = f"{api}/queue/join"
    attacks = {
        "large images": _uploading(f"{api}/upload", png_bomb() + b"\0" * (16 * MIB)),
        "small files": _uploading(f"{api}/upload", b"\0", times=50),
        "streams of events": _event_streams(f"{api}/queue/data"),
        "foreign files": _getting(f"{api}/file=/proc/self/environ", times=20),
        "long file names": _getting(f"{api}/file={'a/' * (12 * KIB)}"),
        "ranges": _getting(f"{victim.page}theme.css", {"range": "bytes=" + "0-," * 4000}),
        "logouts from elsewhere": _posting(
            f"{victim.page}logout", b"", {"origin": "http://x.test"}
        ),
    }
    for size in (10 * KIB, MIB, 60 * MIB):
        attacks[f"events of {size >> 10} KiB"] = _joining(join, config, "\\[" * (size // 2))
    return attacks


async def _log_in(victim: Victim, client: httpx.AsyncClient) -> None:
    """Logs in as soon as the page lets somebody from here, where strangers try it too."""
    origin = {"origin": _origin(victim.page)}
    login = f"{victim.page}login"
    while not (await client.post(login, data={"key": victim.key}, headers=origin)).is_redirect:
        await asyncio.sleep(1)


def _getting(url: str, headers: Mapping[str, str] | None = None, times: int = 5) -> Attack:
    async def attack(client: httpx.AsyncClient) -> list[int]:
        return [(await client.get(url, headers=headers)).status_code for _ in range(times)]

    return attack


def _posting(url: str, body: bytes, headers: Mapping[str, str]) -> Attack:
    async def attack(client: httpx.AsyncClient) -> list[int]:
        return [(await client.post(url, content=body, headers=headers)).status_code]

    return attack


def _dripping(url: str, headers: Mapping[str, str]) -> Attack:
    async def drops() -> AsyncIterator[bytes]:
        for _ in range(int(_SLOW_S)):
            yield b" "
            await asyncio.sleep(1)

    async def attack(client: httpx.AsyncClient) -> list[int]:
        return [(await client.post(url, content=drops(), headers=headers)).status_code]

    return attack


def _logging_in(url: str, form: bytes, times: int = 10) -> Attack:
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": _origin(url)}

    async def attack(client: httpx.AsyncClient) -> list[int]:
        posts = (client.post(url, content=form, headers=headers) for _ in range(times))
        return [response.status_code for response in await asyncio.gather(*posts)]

    return attack


def _uploading(url: str, file: bytes, times: int = 1) -> Attack:
    async def attack(client: httpx.AsyncClient) -> list[int]:
        files = {"files": ("a.png", file, "image/png")}
        return [(await client.post(url, files=files)).status_code for _ in range(times)]

    return attack


def _joining(url: str, config: dict[str, Any], text: str) -> Attack:
    """Sends events to every handler of the page, with a long text for each of its inputs."""
    shapes = {part["id"]: part["type"] for part in config["components"]}

    def value(component: int) -> object:
        if shapes.get(component) == "multimodaltextbox":
            return {"text": text, "files": []}
        return text if shapes.get(component) in ("textbox", "html") else None

    async def attack(client: httpx.AsyncClient) -> list[int]:
        statuses = []
        for handler in config["dependencies"]:
            event = {
                "data": [value(component) for component in handler["inputs"]],
                "fn_index": handler["id"],
                "session_hash": secrets.token_hex(6),
            }
            response = await client.post(url, content=orjson.dumps(event), headers=_JSON)
            statuses.append(response.status_code)
        return statuses

    return attack


def _event_streams(url: str, times: int = 50) -> Attack:
    async def attack(client: httpx.AsyncClient) -> list[int]:
        async def listen() -> int:
            session = {"session_hash": secrets.token_hex(6)}
            async with client.stream("GET", url, params=session) as response:
                await asyncio.sleep(_SLOW_S)
                return response.status_code

        return list(await asyncio.gather(*(listen() for _ in range(times))))

    return attack


def _left_streams(url: str, model: str, headers: Mapping[str, str], times: int = 8) -> Attack:
    body = orjson.dumps(
        {
            "model": model,
            "messages": [{"role": "user", "content": "?"}],
            "stream": True,
            "n": 8,
            "max_tokens": 64,
        }
    )

    async def attack(client: httpx.AsyncClient) -> list[int]:
        async def leave() -> int:
            async with client.stream("POST", url, content=body, headers=headers) as response:
                await asyncio.sleep(_SLOW_S / 5)
                return response.status_code

        return list(await asyncio.gather(*(leave() for _ in range(times))))

    return attack


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
