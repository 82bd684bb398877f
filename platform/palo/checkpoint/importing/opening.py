"""Opens what people name as a model: ours as it is, anything else imported first."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo import storage
from palo.checkpoint.finished import is_finished, local_copy, stage_folder
from palo.checkpoint.importing.cache import kept, published, write_once
from palo.errors import ConfigError, MismatchError
from palo.progress import byte_meter

# Most paths are ours, or were imported before: torch, which takes seconds, stays away.
if TYPE_CHECKING:
    from palo.checkpoint.importing.places import TensorPlace
    from palo.checkpoint.importing.recognise import Foreign

Say = Callable[[str], None]

_SIGNS = ("config.json", "adapter_config.json", "mm_projector.bin")


def say_on_stderr(line: str) -> None:
    """Prints a line about an import.

    Args:
        line: The line.
    """
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """What an import may be told.

    Attributes:
        base: Folder of an adapter's language model, if it isn't to be looked for.
        tower: Folder of the vision tower, if it isn't to be looked for.
        output: Folder to write; None for the cache.
        say: Gets lines about what was recognised, and the progress.
    """

    base: Path | None = None
    tower: Path | None = None
    output: Path | None = None
    say: Say = say_on_stderr


def open_model(path: Path, options: ImportOptions | None = None) -> Path:
    """Returns the folder of a finished stage for a model that people name.

    Args:
        path: A run or a stage of ours, which is returned as it is; or a foreign checkpoint, on a
            disk or on S3, which is imported once.
        options: How it is imported.

    Raises:
        ConfigError: If options are given for a run or a stage of ours, which isn't imported.
        DataError: If there are no weights, or a part that the checkpoint names isn't found.
        MismatchError: If it is no model that can be used here, or its parts don't fit.
        StorageError: If a file is missing or damaged or holds code, or the disk is too full.
    """
    options = options or ImportOptions()
    own = stage_folder(path)
    if is_finished(own) and (options.output or options.base or options.tower):
        raise ConfigError(
            "this is a finished model of this platform, which is used where it lies",
            seen=own,
            fix="Write it elsewhere with jobs/export.py --to palo; it has its own base and tower.",
        )
    if is_finished(own) or not looks_foreign(path):
        return local_copy(own)

    def build(folder: Path) -> Sequence[Path]:
        return _build_model(path, folder, options)

    if options.output is not None:
        return write_once(options.output, build)
    named = ("model", str(options.base or ""), str(options.tower or ""))
    return kept(path, named, build, options.say)


def open_shared_model(path: Path, options: ImportOptions | None = None) -> Path:
    """Returns the folder of a finished stage that all machines see, for a model that people name.

    Args:
        path: See `open_model`. A stage on S3 stays there: each machine that needs it keeps a copy.
        options: How it is imported.

    Raises:
        DataError: See `open_model`.
        MismatchError: See `open_model`.
        StorageError: See `open_model`.
    """
    own = stage_folder(path)
    return own if is_finished(own) else published(open_model(path, options))


def looks_foreign(path: Path) -> bool:
    """Returns whether a path may hold weights of another project.

    Args:
        path: Any path.
    """
    return path.is_file() or any((path / name).is_file() for name in _SIGNS)


def _build_model(path: Path, folder: Path, options: ImportOptions) -> Sequence[Path]:
    from palo.checkpoint.importing.plan import plan_model
    from palo.checkpoint.importing.recognise import recognise
    from palo.checkpoint.importing.writing import write_model

    source = recognise(path)
    if source.kind not in ("model", "adapter"):
        raise MismatchError(
            f"{path} holds only a part of a model",
            seen=source.title,
            fix="It can be a part of a training: --parts.language-model, --parts.tower, or "
            "--projector for a projector.",
        )
    tokenizer = storage.ensure_folder(folder / "tokenizer")
    plan = plan_model(source, tokenizer, base=options.base, tower=options.tower)
    options.say(f"{path}: {source.title}, projector {plan.projector_type}")
    for what, other in plan.others.items():
        options.say(f"  {what}: {other}")
    adapter = {} if plan.adapter is None else plan.adapter.tensors
    on_bytes = progress_of({**plan.places, **adapter}, options.say)
    write_model(plan, folder, lineage_of(source, plan.others), on_bytes)
    return tuple(plan.others.values())


def lineage_of(source: "Foreign", others: Mapping[str, Path]) -> dict[str, Any]:
    """Returns what is written of where an import is from, as JSON values.

    Args:
        source: The checkpoint.
        others: Folders that parts are from, by what they are.
    """
    parts = {what: str(path) for what, path in others.items()}
    return {"from": str(source.path), "layout": source.title, **parts}


def progress_of(places: Mapping[str, "TensorPlace"], say: Say) -> Callable[[int], None]:
    """Returns what reports bytes as they are copied.

    Args:
        places: Places of the tensors that will be copied.
        say: Gets the lines.
    """
    total = sum(place.size_bytes for place in places.values())
    return byte_meter("import", say, total)
