"""Images within a request: data: URLs, read strictly and only if they are small enough.

A large one is decoded in pieces: one call on all of it would keep Python's lock, and with it every
other request, for a tenth of a second.
"""

import asyncio
import binascii
import logging
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import SplitResult, quote, urlsplit

import idna

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ImageError
from palo.images.fetch import FetchOptions, fetch
from palo.reasons import Reason
from palo.serve.decoder_pool import ImageRules, busy_error, decoding_error
from palo.terminal import one_line

_HEAD = re.compile(
    r"data:(image/[\w.+-]{1,40})?(;[\w.+=-]{1,40})*;base64", re.ASCII | re.IGNORECASE
)
_MAX_HEAD = 200
_PIECE = 256 << 10  # of base64: a multiple of four characters, decoded in a millisecond


def is_data_url(url: str) -> bool:
    """Tells whether a URL holds its content itself."""
    return url[:5].lower() == "data:"


def read_data_url(url: str | bytes | memoryview, max_bytes: int, param: str | None) -> bytes:
    """Returns what a data: URL holds.

    Args:
        url: The URL.
        max_bytes: Most bytes it may hold; more are refused before they are decoded.
        param: Field of the request that holds it.

    Raises:
        APIError: If it is no image in strict base64, or too large.
    """
    head = url[:_MAX_HEAD]
    if not isinstance(head, str):
        head = bytes(head).decode("latin-1")
    comma = head.find(",")
    if comma < 0 or not _HEAD.fullmatch(head, 0, comma):
        raise _unreadable("this data: URL is no image in base64", param)
    num_bytes = (len(url) - comma - 1) // 4 * 3
    if num_bytes > max_bytes + 2:
        raise _too_large(num_bytes, max_bytes, param)
    try:
        data = b"".join(_decoded(url, comma + 1))
    except ValueError:  # binascii.Error is one, and text outside ASCII another
        raise _unreadable("the base64 of this image is damaged or cut off", param) from None
    if len(data) > max_bytes:
        raise _too_large(len(data), max_bytes, param)
    return data


def _decoded(url: str | bytes | memoryview, start: int) -> Iterator[bytes]:
    for place in range(start, len(url), _PIECE):
        piece = url[place : place + _PIECE]
        data = binascii.a2b_base64(piece, strict_mode=True)
        if len(data) * 4 != len(piece) * 3 and place + _PIECE < len(url):
            raise binascii.Error("padding before the end")
        yield data


def _unreadable(fact: str, param: str | None) -> APIError:
    fix = "Write it as data:image/png;base64,... without spaces or line breaks."
    return APIError(fact, fix=fix, code=APIErrorCode.IMAGE_UNREADABLE, param=param)


def _too_large(num_bytes: int, max_bytes: int, param: str | None) -> APIError:
    return APIError(
        "image file too large",
        seen=f"{num_bytes} bytes",
        fix=f"Use one of at most {max_bytes} bytes.",
        code=APIErrorCode.IMAGE_TOO_LARGE,
        param=param,
    )


_MAX_CHARACTERS = 2048
_USUAL_PORTS = {"https": 443, "http": 80}
_STAYS = "/%:@!$&'()*+,;=-._~"
_ODD = frozenset(' \\<>"^`{|}')
_ZWNJ, _ZWJ = "\u200c", "\u200d"


def checked_address(url: str, rules: ImageRules, param: str | None) -> SplitResult:
    """Returns an address that may be asked for an image, written in ASCII.

    Args:
        url: As the request names it.
        rules: Which servers may be asked.
        param: Field of the request that holds it.

    Raises:
        APIError: If it may not be.
    """
    if not rules.allowed_hosts:
        raise _forbidden("this endpoint fetches no images", param)
    if len(url) > _MAX_CHARACTERS or not _is_plain(url):
        raise _malformed(param)
    try:
        address = urlsplit(url)
        host, port = address.hostname or "", address.port
    except ValueError:
        raise _malformed(param) from None
    schemes = ("https", "http") if rules.allow_http else ("https",)
    if address.scheme not in schemes:
        known = " or ".join(f"{scheme}://" for scheme in schemes)
        raise _forbidden(f"images are fetched from {known} addresses only", param)
    # Between // and the path stands a name and perhaps a port: no user, no brackets, no zeros.
    if address.netloc.lower() not in (host, f"{host}:{port}"):
        raise _malformed(param)
    place = _ascii(host, param)
    if port is not None and port != _USUAL_PORTS[address.scheme]:
        place = f"{place}:{port}"
    if place not in rules.allowed_hosts:
        raise _forbidden("images from this server are not allowed", param)
    path, query = (quote(part, safe=f"{_STAYS}?") for part in (address.path, address.query))
    return SplitResult(address.scheme, place, path, query, "")


def _is_plain(url: str) -> bool:
    text = url.replace(_ZWNJ, "").replace(_ZWJ, "")  # letters of several scripts need them
    return text.isprintable() and not set(text) & _ODD


def _ascii(host: str, param: str | None) -> str:
    """Returns a name as resolvers know it; only names that need no bending have one."""
    if host.isascii():
        return host
    try:
        return idna.encode(host).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _malformed(param) from None


def _malformed(param: str | None) -> Exception:
    fix = "Write it plainly, as https://images.example.org/1.jpg, or send the image itself."
    return _forbidden("this is no address of an image", param, fix=fix)


_LOG = logging.getLogger(__name__)
_AS_DATA = "Send the image itself, as a data: URL."
_FILE_TOO_LARGE = (Reason.IMAGE_FILE_TOO_LARGE,)


class RemoteImages:
    """Fetches images; to be used from one event loop.

    Args:
        rules: Which servers may be asked, and what an image may cost.
    """

    def __init__(self, rules: ImageRules) -> None:
        self._rules = rules
        self._threads = ThreadPoolExecutor(rules.max_fetches, "palo-fetch")
        self._num_asked = 0

    async def read(self, url: str, param: str | None) -> bytes:
        """Returns the image at an address.

        Args:
            url: As the request names it.
            param: Field of the request that holds it.

        Raises:
            APIError: If it may not be asked for, isn't given, is too large, or too many are.
        """
        address = checked_address(url, self._rules, param)
        if self._num_asked >= self._rules.max_fetches + self._rules.max_waiting:
            raise busy_error("to be fetched", self._rules.fetch_s)
        deadline = time.monotonic() + self._rules.fetch_s
        loop = asyncio.get_running_loop()
        self._num_asked += 1
        fetching = loop.run_in_executor(self._threads, self._fetch, address, deadline, param)
        # Counted until its thread is free: one that resolves a name can't be interrupted.
        fetching.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(fetching), self._rules.fetch_s + 1)
        except TimeoutError:
            raise _failed(param) from None

    def close(self) -> None:
        """Takes no more; what is being fetched ends by its own time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, fetching: "asyncio.Future[bytes]") -> None:
        self._num_asked -= 1
        if not fetching.cancelled():
            fetching.exception()  # asked for, so that nobody's absence is reported as a fault

    def _fetch(self, address: SplitResult, deadline: float, param: str | None) -> bytes:
        rules = self._rules
        options = FetchOptions(limits=rules.limits, connect_s=rules.connect_s, deadline=deadline)
        try:
            answer = fetch(address, options)
        except ImageError as error:
            _LOG.warning("no image from %s: %s", address.netloc, error)
            if error.fact == Reason.IMAGE_HOST:
                raise _forbidden("images from this server are not allowed", param) from None
            raise (
                decoding_error(error, param) if error.fact in _FILE_TOO_LARGE else _failed(param)
            ) from None
        except (OSError, ValueError) as error:
            _LOG.warning("no image from %s: %s", address.netloc, one_line(str(error)))
            raise _failed(param) from None
        if isinstance(answer, str):
            _LOG.warning("no image from %s: it sends elsewhere", address.netloc)
            raise _failed(param)
        return answer


class ImageReader:
    """Reads images of requests; nobody has looked into the files that it returns.

    Args:
        rules: Which images are taken.
    """

    def __init__(self, rules: ImageRules) -> None:
        self._max_bytes = rules.limits.max_file_bytes
        self._remote = RemoteImages(rules)

    def is_remote(self, url: str) -> bool:
        """Tells whether an image has to be fetched."""
        return not is_data_url(url)

    def embedded(self, url: str | bytes | memoryview, param: str | None = None) -> bytes:
        """Returns the bytes of an image that came with its request; any thread may ask.

        Args:
            url: A data: URL.
            param: Field of the request that holds it.

        Raises:
            APIError: If it isn't taken.
        """
        return read_data_url(url, self._max_bytes, param)

    async def read(self, url: str, param: str | None = None) -> bytes:
        """Returns the bytes of an image from elsewhere; to be used from one event loop.

        Args:
            url: An address that may be asked.
            param: Field of the request that holds it.

        Raises:
            APIError: If it isn't taken.
        """
        return await self._remote.read(url, param)

    def close(self) -> None:
        """Takes no more images."""
        self._remote.close()


def _forbidden(fact: str, param: str | None, *, fix: str = _AS_DATA) -> APIError:
    """Returns the answer for an address that isn't asked for an image."""
    return APIError(fact, fix=fix, code=APIErrorCode.REMOTE_IMAGE_FORBIDDEN, param=param)


def _failed(param: str | None) -> APIError:
    """Returns the answer for an image that its server doesn't give.

    It doesn't tell why: who asks for addresses must not learn what is behind them.
    """
    return APIError(
        "the server of this image doesn't give it",
        fix=f"Check the address. {_AS_DATA}",
        code=APIErrorCode.REMOTE_IMAGE_FAILED,
        param=param,
    )
