"""Exports of finished models: checked, written aside, compared with their model, then named.

exported = export(ExportSettings(model=Path("runs/quickstart"), output=Path("exported")))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo import storage
from palo.checkpoint.exporting.card import CardData, card_text
from palo.checkpoint.exporting.card_facts import (
    copy_licences,
    parts_of,
    read_record,
    scores_of,
    settings_of,
    sources_of,
)
from palo.checkpoint.exporting.export_settings import ExportSettings
from palo.checkpoint.exporting.licences import named_model
from palo.checkpoint.exporting.output_folder import (
    STAMP,
    Wanted,
    appearing,
    is_done,
    require_apart,
    require_space,
)
from palo.checkpoint.finished import (
    StageResult,
    language_model_folder,
    projector_hash,
    read_stage,
    stage_folder,
)
from palo.config import fingerprint, to_dict
from palo.errors import ConfigError
from palo.progress import Meter

if TYPE_CHECKING:
    from palo.checkpoint.exporting.formats import Format
    from palo.checkpoint.exporting.verification import Verification

EXPORT_VERSION = 1
"""Goes up whenever the same model gives other files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """An export.

    Attributes:
        folder: Its folder.
        was_there: Whether an earlier call had made it already.
        verification: How it compares with its model; None if it wasn't compared now.
    """

    folder: Path
    was_there: bool
    verification: "Verification | None" = None


def export(
    settings: ExportSettings,
    *,
    lineage: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = print,
) -> Exported:
    """Exports a finished model, or finds that it was done before.

    Args:
        settings: What and how.
        lineage: What the export's lineage.json holds; the model's own by default.
        say: Receives lines on the progress.

    Raises:
        ConfigError: If the format can't express the model, or the folders are in one another.
        DataError: If there is no finished model, or a part is missing.
        MismatchError: If parts don't fit, or the export doesn't answer as the model does.
        ResourceError: If there is too little space or memory, or another process exports there.
        StorageError: If a file can't be read or written, or the output holds something else.
    """
    stage = read_stage(stage_folder(settings.model))
    parts = stage.parts
    output = settings.output
    require_apart(output, (stage.folder, parts.tower, parts.language_model, parts.tokenizer))
    from palo.checkpoint.exporting.formats import FORMATS  # with torch, which takes seconds

    chosen = FORMATS[settings.to]
    chosen.require(stage)
    if not chosen.dtypes:
        settings = replace(settings, dtype="float32")
    elif settings.dtype not in chosen.dtypes:
        raise ConfigError(
            f"--to {settings.to} can't have weights of this type",
            seen=settings.dtype,
            fix=f"Choose --dtype {' or '.join(chosen.dtypes)}.",
        )
    stamp = _stamp(stage, settings)
    wanted = Wanted(stamp=stamp, verified=settings.verify, force=settings.force)
    if is_done(output, wanted):
        return Exported(folder=output, was_there=True)
    from palo.checkpoint.exporting.verify import verify

    num_bytes = chosen.num_bytes(stage, settings.dtype)
    require_space(output, num_bytes)
    record = read_record(stage.folder / "lineage.json")
    lineage = record if lineage is None else lineage
    with appearing(output, wanted) as partial:
        if partial is None:
            return Exported(folder=output, was_there=True)
        say(f"writing {output}: {num_bytes / 1e6:,.0f} MB")
        meter = Meter("write", "tensors", say, num_bytes, by_effort=True)
        chosen.write(
            stage, partial, settings.dtype, lineage, lambda size_bytes: meter.add(1, size_bytes)
        )
        meter.finish()
        verification = None
        if settings.verify:
            verification = verify(stage, partial, chosen.load, dtype=settings.dtype, say=say)
        if not (partial / "lineage.json").exists():
            storage.write_json(partial / "lineage.json", dict(lineage))
        copy_licences(stage, partial)
        data = replace(
            _card(stage, settings, record, chosen, verification),
            lineage_id=str(lineage.get("id", "")),
            has_licences=(partial / "licences").exists(),
        )
        storage.write_text(partial / "README.md", card_text(data))
        found = None if verification is None else to_dict(verification)
        storage.write_json(partial / STAMP, stamp | {"verification": found})
    return Exported(folder=output, was_there=False, verification=verification)


def _stamp(stage: StageResult, settings: ExportSettings) -> dict[str, Any]:
    """Returns what two exports of the same model have in common."""
    files = [stage.folder / "adapter" / "adapter_model.safetensors"] if stage.has_adapter else []
    if stage.has_language_model:
        files += sorted(language_model_folder(stage).glob("*.safetensors"))
    weights = {path.name: storage.file_hash(path) for path in files}
    described = {key: value for key, value in to_dict(stage).items() if key != "folder"}
    described["parts"] |= dict.fromkeys(("tower", "language_model", "tokenizer"), "")
    model = fingerprint([described, weights, projector_hash(stage.folder)])
    return {
        "version": EXPORT_VERSION,
        "format": settings.to,
        "dtype": settings.dtype,
        "model": model,
    }


def _card(
    stage: StageResult,
    settings: ExportSettings,
    record: Mapping[str, Any],
    chosen: "Format",
    verification: "Verification | None",
) -> CardData:
    corpus, sources = sources_of(stage, record)
    scores, blind, num_questions = scores_of(stage)
    places = {"FOLDER": settings.output.name, "BASE": named_model(stage.parts.language_model)}
    return CardData(
        title=settings.output.name,
        library=chosen.usage.library,
        lineage_id="",
        parts=parts_of(stage),
        sources=sources,
        corpus=corpus,
        code=str(record.get("code", "")),
        settings={"template": stage.template, **settings_of(record)},
        scores=scores,
        scores_blind=blind,
        num_questions=num_questions,
        export={
            "format": settings.to,
            "type of the weights": settings.dtype if chosen.dtypes else "as they were trained",
        },
        verification={} if verification is None else verification.figures(),
        notes=chosen.usage.notes,
        usage=[(title, kind, _filled(code, places)) for title, kind, code in chosen.usage.sections],
    )


def _filled(code: str, places: Mapping[str, str]) -> str:
    for word, value in places.items():
        code = code.replace(word, value)
    return code
