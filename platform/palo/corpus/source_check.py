"""A look at the first rows of each source before a build: are their images where it says?

A wrong folder would make every row bad, one by one. It is one mistake, so it is told once, with the
folder that holds the images if it is near.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from palo import storage
from palo.corpus.config import SourceConfig
from palo.corpus.parse.origin import origin_of
from palo.corpus.parse.worker import parse_row
from palo.corpus.sources import Split, read_split
from palo.data.records import Record
from palo.errors import ConfigError, DataError
from palo.images.archives import check_archive

_ROWS = 200
_IMAGES = 20
_FOLDERS = 200


def check_images(source: SourceConfig, splits: Sequence[Split]) -> None:
    """Looks whether any image of a source's first rows is in its image folder.

    Rows without an image, and images of web servers are not looked at; of an archive the beginning.

    Args:
        source: The source.
        splits: Its splits.

    Raises:
        ConfigError: If its image folder doesn't exist.
        DataError: If none of the images is there, or they are to come from a file of another kind.
        StorageError: If it can't be read.
    """
    if source.images is None:
        return
    with storage.wrap_os_errors("read", source.images):
        if not source.images.exists():
            raise ConfigError(
                f"the image folder of source {source.name} doesn't exist",
                seen=source.images,
                fix="Name the folder that the rows' image paths start from.",
            )
        if not source.images.is_dir():
            check_archive(source.images)
            return
        names = list(islice(dict.fromkeys(_image_names(source, splits)), _IMAGES))
        if not names or any((source.images / name).exists() for name in names):
            return
        near = _near(source.images, names)
    raise DataError(
        f"none of the first {len(names)} images of source {source.name} is in {source.images}",
        seen=names[0],
        fix=near,
    )


def _image_names(source: SourceConfig, splits: Sequence[Split]) -> Iterator[str]:
    """Yields the paths of images in the first rows, as they are in the image folder."""
    origin = origin_of(source)
    prefix = f"{origin.image_folder}/"
    for split in splits[:1]:
        for raw in islice(read_split(split), _ROWS):
            found = parse_row(raw, origin, raw.offset)
            image = found.image if isinstance(found, Record) else None
            if image is not None and image.startswith(prefix):
                yield image.removeprefix(prefix)


def _near(folder: Path, names: Sequence[str]) -> str:
    """Returns what to do: name a folder near another one that has any of some images."""
    usual = "Name the folder that the rows' image paths start from."
    if isinstance(folder, storage.S3Path):
        return usual
    inner = (path for path in islice(folder.iterdir(), _FOLDERS) if path.is_dir())
    for near in (*sorted(inner), folder.absolute().parent):
        if any((near / name).is_file() for name in names):
            return f"It is in {near}: name that folder."
    tails = (folder / PurePosixPath(name).name for name in names)
    found = next((path for path in tails if path.is_file()), None)
    return usual if found is None else f"There is {found}: correct the rows' paths."
