"""Which addresses a request may send us to for an image.

Libraries read the same text as different addresses; so what is not plain is refused before any of
them sees it, and what a name leads to is checked again when it is called.
"""

from urllib.parse import SplitResult, quote, urlsplit

import idna

from palo.serve.images.errors import forbidden
from palo.serve.images.settings import ImageRules

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
        Refusal: If it may not be.
    """
    if not rules.allowed_hosts:
        raise forbidden("this endpoint fetches no images", param)
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
        raise forbidden(f"images are fetched from {known} addresses only", param)
    # Between // and the path stands a name and perhaps a port: no user, no brackets, no zeros.
    if address.netloc.lower() not in (host, f"{host}:{port}"):
        raise _malformed(param)
    place = _ascii(host, param)
    if port is not None and port != _USUAL_PORTS[address.scheme]:
        place = f"{place}:{port}"
    if place not in rules.allowed_hosts:
        raise forbidden("images from this server are not allowed", param)
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
    return forbidden("this is no address of an image", param, fix=fix)
