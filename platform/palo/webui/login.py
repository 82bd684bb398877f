"""The login: a form without a script that asks for a key, and a limit on attempts."""

import asyncio
import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

from markupsafe import Markup
from starlette.requests import Request

from palo.html.page import Templates
from palo.webui.texts import page_texts

_TEMPLATES = Templates(Path(__file__).parent / "templates")
_MAX_FORM_BYTES = 4096
_FORM_S = 10.0
_MINUTE_S = 60.0
_OF_ONE = 10
_OF_ALL = 1200  # each costs a few milliseconds, a few at once
_MAX_ADDRESSES = 10_000
_IPV6_PREFIX = 64


def render_login(code: str, problem: str = "", *, about: str) -> Markup:
    """Returns the page that asks for a key.

    Args:
        code: ISO code of its language.
        problem: Why the last key was refused.
        about: The purpose of the page, in its language.
    """
    return _TEMPLATES.render("login.html", words=page_texts(code), problem=problem, about=about)


async def key_of_form(request: Request) -> str:
    """Returns the key of the login's form.

    Args:
        request: The request.

    Raises:
        ValueError: If it is no such form.
        KeyError: If it has no key.
        TimeoutError: If it comes too slowly.
    """
    body = b""
    async with asyncio.timeout(_FORM_S):
        async for part in request.stream():
            body += part
            if len(body) > _MAX_FORM_BYTES:
                raise ValueError("the form is too large")
    return parse_qs(body.decode())["key"][0].strip()


class LoginLimit:
    """Counts the attempts of the last minute; those that succeed are taken out again.

    Visitors who share an address, as behind a proxy, are held up by wrong keys alone.

    Args:
        of_one: Most attempts from one address.
        of_all: Most attempts altogether.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        of_one: int = _OF_ONE,
        of_all: int = _OF_ALL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._of_one = of_one
        self._clock = clock
        self._all: deque[float] = deque(maxlen=of_all)
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def begin(self, address: str) -> float:
        """Counts an attempt; returns 0, or the seconds to wait if there were too many.

        An attempt that has to wait isn't counted.

        Args:
            address: The address that it comes from.
        """
        attempts = self._attempts(address)
        if wait_s := max(self._wait_s(attempts), self._wait_s(self._all)):
            return wait_s
        now = self._clock()
        attempts.append(now)
        self._all.append(now)
        return 0.0

    def succeeded(self, address: str) -> None:
        """Takes out an attempt that has begun.

        Args:
            address: The address of the attempt.
        """
        for attempts in (self._attempts(address), self._all):
            if attempts:
                attempts.pop()

    def _attempts(self, address: str) -> deque[float]:
        name = _network_of(address)
        attempts = self._by_address.setdefault(name, deque(maxlen=self._of_one))
        self._by_address.move_to_end(name)
        if len(self._by_address) > _MAX_ADDRESSES:
            self._by_address.popitem(last=False)
        return attempts

    def _wait_s(self, attempts: deque[float]) -> float:
        if len(attempts) < (attempts.maxlen or 0):
            return 0.0
        return max(0.0, attempts[0] + _MINUTE_S - self._clock())


def _network_of(address: str) -> str:
    """Returns the addresses of one customer of a provider: one of IPv4, or a network of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
