"""How images are named: files, members of archives, rows of Parquet files, and URIs.

An image within a file has the path `file//member`. No other path has two slashes within: those of
folders and rows are normalised before they are joined by one.
"""

from pathlib import Path
from urllib.parse import urlsplit

PARQUET = ".parquet"

_WITHIN = "//"
_SCHEME_END = "://"
_WEB = ("http://", "https://")
_USUAL_PORTS = {"http": 80, "https": 443}
_BUCKET = "s3://"


class ImagePath(str):
    """A path that a reader of sources made up itself, so that no row of a source can say it."""

    __slots__ = ()


def path_within(file: Path, row: int) -> str:
    """Returns the path of the image in a row of a Parquet file; it sorts as the rows do."""
    return f"{file}{_WITHIN}{row:012d}"


def parts_of(path: str) -> tuple[str, str]:
    """Returns the file that an image is in, and its name therein; that is empty for a file."""
    scheme = path.find(_SCHEME_END)
    start = path.find(_WITHIN, scheme + len(_SCHEME_END) if scheme >= 0 else 1)
    return (path, "") if start < 0 else (path[:start], path[start + len(_WITHIN) :])


def is_web(path: str) -> bool:
    """Tells whether an image must be downloaded."""
    return path.startswith(_WEB)


def host_of(uri: str) -> str | None:
    """Returns the server or bucket that a URI names; None if it is no URI of an image.

    A server has its port behind it unless it is the usual one: other ports are other services.

    Raises:
        ValueError: If the URI is malformed.
    """
    if not uri.lower().startswith((*_WEB, _BUCKET)):
        return None
    split = urlsplit(uri)
    port = split.port  # asked for its check of the digits
    wrong = not uri.startswith((*_WEB, _BUCKET)) or split.hostname is None or port == 0
    if wrong or split.username is not None or not uri.isascii() or not uri.isprintable():
        raise ValueError("malformed")
    if " " in uri or (uri.startswith(_BUCKET) and (_WITHIN in split.path or "?" in uri)):
        raise ValueError("malformed")
    if uri.startswith(_BUCKET) or port not in (None, _USUAL_PORTS[split.scheme]):
        return split.netloc.lower()
    return split.hostname
