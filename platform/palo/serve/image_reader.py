"""Reads the image files of requests: data: URLs, and remote images of allowed servers.

Nothing here decodes an image. Base64 is decoded in chunks, since one call on a large image would
hold Python's lock, and block all other requests, for a tenth of a second. Libraries parse the same
address differently, so that an unusual one is rejected before any of them sees it, and the IP
address of a host name is checked again when the connection is made.
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
_MAX_CHARACTERS = 2048
_USUAL_PORTS = {"https": 443, "http": 80}
_STAYS = "/%:@!$&'()*+,;=-._~"
_ODD = frozenset(' \\<>"^`{|}')
_ZWNJ, _ZWJ = "\u200c", "\u200d"
_LOG = logging.getLogger(__name__)
_AS_DATA = "Send the image itself, as a data: URL."
_FILE_TOO_LARGE = (Reason.IMAGE_FILE_TOO_LARGE,)


class ImageReader:
    """Reads the image files of requests, without decoding them.

    Args:
        rules: Limits of images, and allowed servers.
    """

    def __init__(self, rules: ImageRules) -> None:
        self._max_bytes = rules.limits.max_file_bytes
        self._remote = RemoteImages(rules)

    def is_remote(self, url: str) -> bool:
        """Returns whether an image has to be fetched.

        Args:
            url: Its URL in the request.
        """
        return not is_data_url(url)

    def embedded(self, url: str | bytes | memoryview, param: str | None = None) -> bytes:
        """Returns the file of an embedded image. Safe for threads.

        Args:
            url: A data: URL.
            param: Field of the request that holds the URL.

        Raises:
            APIError: If it is no image in strict base64, or too large.
        """
        return read_data_url(url, self._max_bytes, param)

    async def read(self, url: str, param: str | None = None) -> bytes:
        """Returns the file of a remote image; to be used from one event loop.

        Args:
            url: Its address.
            param: Field of the request that holds the address.

        Raises:
            APIError: If the address isn't allowed, or the fetch fails.
        """
        return await self._remote.read(url, param)

    def close(self) -> None:
        """Fetches no more images."""
        self._remote.close()


def is_data_url(url: str) -> bool:
    """Returns whether a URL holds its content itself.

    Args:
        url: The URL.
    """
    return url[:5].lower() == "data:"


def read_data_url(url: str | bytes | memoryview, max_bytes: int, param: str | None) -> bytes:
    """Returns the content of a data: URL.

    Args:
        url: The URL.
        max_bytes: Most bytes of its content; a larger one is rejected before it is decoded.
        param: Field of the request that holds the URL.

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


def checked_address(url: str, rules: ImageRules, param: str | None) -> SplitResult:
    """Checks the address of a remote image.

    Args:
        url: The address in the request.
        rules: Allowed servers.
        param: Field of the request that holds the address.

    Returns:
        The address in ASCII.

    Raises:
        APIError: If it isn't allowed.
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
    # Only a name and an optional port are allowed there: no user, no brackets, no leading zeros.
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
    """Encodes a host name for resolvers; names that would need normalization are rejected."""
    if host.isascii():
        return host
    try:
        return idna.encode(host).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _malformed(param) from None


def _malformed(param: str | None) -> Exception:
    fix = "Write it plainly, as https://images.example.org/1.jpg, or send the image itself."
    return _forbidden("this is no address of an image", param, fix=fix)


class RemoteImages:
    """Fetches images of allowed servers; to be used from one event loop.

    Args:
        rules: Allowed servers, timeouts and limits.
    """

    def __init__(self, rules: ImageRules) -> None:
        self._rules = rules
        self._threads = ThreadPoolExecutor(rules.max_fetches, "palo-fetch")
        self._num_asked = 0

    async def read(self, url: str, param: str | None) -> bytes:
        """Fetches an image file.

        Args:
            url: Its address in the request.
            param: Field of the request that holds the address.

        Raises:
            APIError: If the address isn't allowed, the fetch fails, the image is too large, or too
                many fetches wait.
        """
        address = checked_address(url, self._rules, param)
        if self._num_asked >= self._rules.max_fetches + self._rules.max_waiting:
            raise busy_error("to be fetched", self._rules.fetch_s)
        deadline = time.monotonic() + self._rules.fetch_s
        loop = asyncio.get_running_loop()
        self._num_asked += 1
        fetching = loop.run_in_executor(self._threads, self._fetch, address, deadline, param)
        # Counted until its thread is free, since resolving a name can't be interrupted.
        fetching.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(fetching), self._rules.fetch_s + 1)
        except TimeoutError:
            raise _failed(param) from None

    def close(self) -> None:
        """Starts no more fetches; running ones end by their own timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, fetching: "asyncio.Future[bytes]") -> None:
        self._num_asked -= 1
        if not fetching.cancelled():
            fetching.exception()  # retrieved, so that asyncio doesn't report it after a timeout

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


def _forbidden(fact: str, param: str | None, *, fix: str = _AS_DATA) -> APIError:
    """Returns the error for an address that isn't allowed."""
    return APIError(fact, fix=fix, code=APIErrorCode.REMOTE_IMAGE_FORBIDDEN, param=param)


def _failed(param: str | None) -> APIError:
    """Returns the error for a fetch that failed; its reason would help to probe the network."""
    return APIError(
        "the server of this image doesn't give it",
        fix=f"Check the address. {_AS_DATA}",
        code=APIErrorCode.REMOTE_IMAGE_FAILED,
        param=param,
    )
