"""The parts of an s3:// URI: a bucket, its store, and a key in it."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from palo.errors import StorageError

SCHEME = "s3://"
_START = "s3:/"  # `Path` makes one slash of two: what was meant is still to be seen
_OPTION = r"(?:endpoint_override|scheme|region)=[^&/]*"
# A key may have question marks too. It may continue after the options, since texts are joined.
_OPTIONS = re.compile(rf"\?({_OPTION}(?:&{_OPTION})*)(?=/|$)")


class S3Location(NamedTuple):
    """A key of a bucket.

    Attributes:
        bucket: Name of the bucket.
        key: Key of an object, or what the keys below a folder begin with; empty for the bucket.
        endpoint: Host and port of an S3-compatible store; empty for the environment's.
        scheme: http or https, for the endpoint.
        region: Region of the bucket; empty for the environment's.
    """

    bucket: str
    key: str = ""
    endpoint: str = ""
    scheme: str = ""
    region: str = ""

    @property
    def uri(self) -> str:
        """The place as a text that `parse` reads."""
        options = {
            "endpoint_override": self.endpoint,
            "scheme": self.scheme,
            "region": self.region,
        }
        query = "&".join(f"{name}={value}" for name, value in options.items() if value)
        path = f"{self.bucket}/{self.key}" if self.key else self.bucket
        return f"{SCHEME}{path}?{query}" if query else f"{SCHEME}{path}"


def is_uri(text: str) -> bool:
    """Returns whether a text is an s3:// URI.

    Args:
        text: Any text.
    """
    return text.startswith(_START)


def names_a_store(text: str) -> bool:
    """Returns whether a text, joined to a URI, would turn it into one at another store.

    Args:
        text: The text.
    """
    return _OPTIONS.search(text) is not None


def parse(uri: str) -> S3Location:
    """Reads s3://bucket/key, with ?endpoint_override=host:port&scheme=http&region=name or without.

    Args:
        uri: The URI.

    Raises:
        StorageError: If it names no bucket.
    """
    text = uri[len(_START) :] if is_uri(uri) else ""
    options: dict[str, str] = {}
    if found := _OPTIONS.search(text):
        pairs = (pair.split("=", 1) for pair in found[1].split("&"))
        options = {name: unquote(value) for name, value in pairs}
        text = text[: found.start()] + text[found.end() :]
    bucket, *parts = [part for part in text.split("/") if part not in ("", ".")] or [""]
    if not bucket:
        raise StorageError("not a place on S3", seen=repr(uri), fix="Write s3://bucket/folder.")
    if ".." in parts:
        raise StorageError("keys on S3 have no ..", seen=repr(uri), fix="Write the whole path.")
    return S3Location(
        bucket=bucket,
        key="/".join(parts),
        endpoint=options.get("endpoint_override", ""),
        scheme=options.get("scheme", ""),
        region=options.get("region", ""),
    )
