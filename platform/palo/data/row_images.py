"""The image of a row: under which keys it is named, and whether its path may be used.

A row that seems to name an image in any other way is bad. Without that it would be trained as text
only, and nobody would notice.
"""

import os
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Protocol

from palo.data.bad_row import BadRow, is_writable
from palo.data.layouts import CAPTION_KEYS, is_row
from palo.images.image_folder import ImagePath, host_of
from palo.reasons import Reason
from palo.storage import names_a_store

IMAGE_KEYS = (
    "image",
    "images",
    "image_path",
    "image_paths",
    "image_file",
    "image_files",
    "image_name",
    "image_filename",
    "image_url",
    "image_urls",
    "img",
    "img_path",
    "img_url",
)
"""Keys of an image's path, a list of one, or a struct with a path."""
FILE_KEYS = ("file_name", "filename", "file", "path", "filepath", "url", "picture", "photo")
"""Keys of other files too, which count where they name an image."""

_PATH_KEYS = ("path", "file_name", "filename", "image", "image_url", "url")
_MAX_PATH = 4096
_IMAGE_FILE = re.compile(r"\.(?:jpe?g|png|webp|gif|bmp|tiff?|avif|heic|jfif|ppm)\Z", re.IGNORECASE)
_IMAGE_KEY = re.compile(r"image|img|pictur|photo|pixel|video|audio", re.IGNORECASE)
_ONE_MORE = re.compile(
    r"(?:image|img|picture|photo)s?[_ -]?(?:\d+|[a-d]|left|right|after|before)|videos?|audios?",
    re.IGNORECASE,
)


class RowImageRules(Protocol):
    """What the rows of a source may name as images."""

    @property
    def image_folder(self) -> str | None:
        """Folder or archive that paths start from."""
        ...

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Servers and buckets that a URI may name."""
        ...


def image_of(
    row: Mapping[str, object],
    named: Sequence[object],
    rules: RowImageRules,
    besides: Container[str],
) -> str | None:
    """Returns the path of a row's image; None if there is no sign of one.

    Args:
        row: The row.
        named: Images that its turns name.
        rules: What they may be.
        besides: Keys of the row's turns and language, which name no images.

    Raises:
        BadRow: If there are several, one can't be used, or one is named in a way that isn't read.
    """
    found = _found(row)
    before = tuple(found)
    found += [path for path in _paths(list(named), "a turn") if path not in before]
    if not found:
        _require_no_sign(row, besides)
        return None
    more = [key for key, value in row.items() if value and _ONE_MORE.fullmatch(str(key))]
    if len(found) > 1 or more:
        raise BadRow(
            Reason.MANY_IMAGES,
            f"{len(found)} images" if len(found) > 1 else f"image and {', '.join(more)}",
        )
    return _usable(found[0], rules)


def can_hold_rows(columns: Container[str]) -> bool:
    """Returns whether a table with these columns can hold conversations or captions.

    Args:
        columns: Their names.
    """
    has_image = any(key in columns for key in (*IMAGE_KEYS, *FILE_KEYS))
    return is_row(columns) or (has_image and any(key in columns for key in CAPTION_KEYS))


def names_an_image(key: str) -> bool:
    """Returns whether a key's name is that of an image, a video or a sound.

    Args:
        key: The key.
    """
    return _IMAGE_KEY.search(key) is not None


def _found(row: Mapping[str, object]) -> list[str]:
    """Returns the paths under the first of the keys that has any; image and images go together."""
    paths: list[str] = []
    for key in IMAGE_KEYS:
        if paths and key not in ("image", "images"):
            break
        value = row.get(key)
        if value:
            before = tuple(paths)
            paths += [path for path in _paths(value, key) if path not in before]
    if not paths:
        values = (row.get(key) for key in FILE_KEYS)
        file = next((v for v in values if isinstance(v, str) and _is_image(v)), None)
        paths = [] if file is None else [file]
    return paths


def _paths(value: object, key: str) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _paths(one, key)
    elif isinstance(value, dict):
        inner = next((name for name in _PATH_KEYS if value.get(name)), None)
        if inner is not None:
            yield from _paths(value[inner], key)
        elif any(value.values()):
            raise BadRow(
                Reason.IMAGE_NOT_READ,
                f"{key} holds {', '.join(map(str, value))[:60]}, expected a path; bytes are read "
                "from Parquet",
            )
    elif isinstance(value, str):
        if value:
            yield value
    elif value is not None:
        raise BadRow(Reason.WRONG_IMAGE_FIELD, f"{key} is {type(value).__name__}")


def _require_no_sign(row: Mapping[str, object], besides: Container[str]) -> None:
    for key, value in row.items():
        if not value or key in besides:
            continue
        if names_an_image(str(key)) or _is_image(value):
            raise BadRow(
                Reason.IMAGE_NOT_READ,
                f"{str(key)[:40]} is {value!r:.60}; an image's path goes under image",
            )


def _is_image(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and _is_image(value[0])
    if isinstance(value, dict):
        return "bytes" in value
    if not isinstance(value, str):
        return isinstance(value, bytes)
    return value.startswith("data:image/") or (
        len(value) <= _MAX_PATH and _IMAGE_FILE.search(value.partition("?")[0]) is not None
    )


def _usable(path: str, rules: RowImageRules) -> str:
    if isinstance(path, ImagePath):
        return str(path)
    if path.startswith("data:"):
        raise BadRow(
            Reason.IMAGE_NOT_READ, f"{path[:40]!r}; write it as a file, or as bytes in Parquet"
        )
    if len(path) > _MAX_PATH:
        raise BadRow(
            Reason.WRONG_IMAGE_FIELD, f"{len(path)} characters; base64 is read from Parquet only"
        )
    if "\0" in path or not is_writable(path):
        raise BadRow(Reason.WRONG_IMAGE_FIELD, repr(path))
    path = path.removeprefix("file://")
    if not path:
        raise BadRow(Reason.WRONG_IMAGE_FIELD, "no path")
    if "://" in path and _is_allowed_uri(path, rules):
        return path
    folder = rules.image_folder
    if folder is None:
        raise BadRow(Reason.NO_IMAGE_FOLDER, path)
    if _is_plain(path):
        return f"{folder}/{path}"
    pure = PurePosixPath(path)
    if pure.is_absolute() and ".." not in pure.parts and not names_a_store(path):
        return _within(pure, folder)
    if ".." in pure.parts or names_a_store(path):
        raise BadRow(Reason.IMAGE_OUTSIDE, repr(path))
    return f"{folder}/{pure}"


def _within(path: PurePosixPath, folder: str) -> str:
    """Returns an absolute path as one in the image folder."""
    root = folder.rstrip("/")
    if "://" not in root and not folder.endswith("/"):  # no archive, which has a slash behind it
        absolute = PurePosixPath(os.path.abspath(root))
        if path != absolute and path.is_relative_to(absolute):
            return f"{folder}/{path.relative_to(absolute)}"
    raise BadRow(Reason.IMAGE_OUTSIDE, f"{str(path)!r} isn't in {root}")


def _is_plain(path: str) -> bool:
    """Tells whether a path is surely relative, without a part that leads elsewhere or nowhere."""
    ends = path[0] not in "./" and path[-1] != "/"
    return ends and not any(mark in path for mark in ("//", "/.", "?"))


def _is_allowed_uri(path: str, rules: RowImageRules) -> bool:
    try:
        host = host_of(path)
    except ValueError:
        raise BadRow(Reason.WRONG_IMAGE_FIELD, repr(path)) from None
    if host is not None and host not in rules.allowed_hosts:
        raise BadRow(Reason.IMAGE_HOST, f"{host}; allowed_hosts of the source names those allowed")
    return host is not None
