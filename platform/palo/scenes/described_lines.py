"""Writes JSON lines beside the configuration that they follow from, once."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from palo.config import check, to_dict
from palo.storage import json_line, read_json, replacing, write_json


def write_described_lines(
    folder: Path, name: str, config: object, rows: Iterable[Mapping[str, object]]
) -> Path:
    """Writes the rows of a configuration, unless they are there.

    Args:
        folder: Where to write NAME.jsonl and, last, NAME.json, which holds the configuration.
        name: Name of both files.
        config: What the rows follow from.
        rows: The rows, made as they are read; nothing is read if they are there.

    Returns:
        The file of rows, as JSON lines.

    Raises:
        ConfigError: If the configuration is wrong.
        StorageError: If the folder can't be written.
    """
    check(config)
    wanted = to_dict(config)
    lines, record = folder / f"{name}.jsonl", folder / f"{name}.json"
    if record.is_file() and lines.is_file() and read_json(record) == wanted:
        return lines
    with replacing(lines) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(map(json_line, rows))
    write_json(record, wanted)
    return lines
