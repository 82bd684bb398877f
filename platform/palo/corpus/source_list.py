"""A list of sources as people write it: TOML, a table for each source, in their order.

    [mix665k]
    path = "llava_v1_5_mix665k.json"
    images = "images"
    language = "en"

Paths start from the folder of the list, unless they are absolute or URIs.
"""

from pathlib import Path

from palo import storage
from palo.config import from_dict
from palo.corpus.config import SourceConfig
from palo.errors import ConfigError

LIST_SUFFIX = ".toml"
_SHOWN = 200


def read_source_list(path: Path) -> tuple[SourceConfig, ...]:
    """Reads a list of sources.

    Raises:
        ConfigError: If it is no TOML, names no source, or one of them is written wrong.
        StorageError: If it can't be read.
    """
    tables = storage.read_toml(path)
    loose = [name for name, table in tables.items() if not isinstance(table, dict)]
    if loose or not tables:
        raise ConfigError(
            f"{path} has no table for each source",
            seen=", ".join(loose)[:_SHOWN] or "nothing",
            fix='A source is written as [name], with path = "..." below it.',
        )
    return tuple(_source(name, table, path.parent) for name, table in tables.items())


def _source(name: str, table: dict[str, object], folder: Path) -> SourceConfig:
    try:
        values = table | {"name": name}
        for key in ("path", "images"):
            if isinstance(value := table.get(key), str):
                values[key] = str(_placed(storage.path_of(value), folder))
        return from_dict(SourceConfig, values)
    except ConfigError as error:
        raise ConfigError(f"source {name}: {error.fact}", seen=error.seen, fix=error.fix) from error


def _placed(path: Path, folder: Path) -> Path:
    return path if isinstance(path, storage.S3Path) or path.is_absolute() else folder / path
