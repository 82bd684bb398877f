"""What a model card says of a finished stage, read from the files beside it.

Any of them may be missing: the run may have been moved without its corpus, or trained elsewhere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palo import storage
from palo.checkpoint.exporting.card import PartFacts, ScoreFacts, SourceFacts, flat
from palo.checkpoint.exporting.licences import licence_of, named_model
from palo.checkpoint.finished import StageResult, language_model_folder
from palo.errors import PaloError
from palo.text.tokenizer import load_tokenizer

_STAGES = ("finetune", "pretrain", "align")


def read_record(path: Path) -> dict[str, Any]:
    """Reads a JSON object; an empty one where there is none.

    Args:
        path: The file.
    """
    if not path.is_file():
        return {}
    try:
        values = storage.read_json(path)
    except PaloError:  # a card is no reason for an export to fail
        return {}
    return values if isinstance(values, dict) else {}


def parts_of(stage: StageResult) -> list[PartFacts]:
    """Returns the pretrained parts of a model.

    Args:
        stage: The finished stage.
    """
    parts, fingerprints = stage.parts, stage.fingerprints
    named = (
        ("vision tower", parts.tower, fingerprints["tower"]),
        ("language model", parts.language_model, fingerprints["language_model"]),
        ("tokenizer", parts.tokenizer, load_tokenizer(parts.tokenizer).fingerprint),
    )
    return [
        PartFacts(
            role=role,
            name=named_model(folder),
            fingerprint=fingerprint,
            licence=licence_of(folder).name,
        )
        for role, folder, fingerprint in named
    ]


def copy_licences(stage: StageResult, folder: Path) -> None:
    """Copies the licence files of a model's parts.

    Args:
        stage: The finished stage.
        folder: The export's folder.

    Raises:
        StorageError: If one can't be copied.
    """
    parts = stage.parts
    folders = {parts.tower, parts.language_model, parts.tokenizer, language_model_folder(stage)}
    for part in sorted(folders):
        for path in licence_of(part).files:
            content = storage.read_bytes(path)
            storage.write_bytes(folder / "licences" / part.name / path.name, content)


def sources_of(stage: StageResult, record: Mapping[str, Any]) -> tuple[str, list[SourceFacts]]:
    """Returns the fingerprint of a model's corpus, and its sources if its manifest is found.

    Args:
        stage: The finished stage.
        record: Its lineage.json.
    """
    corpus = _object(record, "corpus")
    named = corpus.get("folder")
    places = [stage.folder.parent / "corpus" / stage.folder.name]
    if isinstance(named, str):
        places.insert(0, storage.path_of(named))
    for place in places:
        manifest = read_record(place / "manifest.json")
        settings = _object(_object(manifest, "settings"), "sources")
        found = manifest.get("sources")
        if isinstance(found, list):
            sources = [_source(one, settings) for one in found if isinstance(one, dict)]
            return str(corpus.get("fingerprint", "")), sources
    return str(corpus.get("fingerprint", "")), []


def _source(values: Mapping[str, Any], settings: Mapping[str, Any]) -> SourceFacts:
    name = str(values.get("name", ""))
    counts = _object(values, "num_records")
    return SourceFacts(
        name=name,
        licence=str(_object(settings, name).get("licence") or ""),
        num_records={code: n for code, n in counts.items() if isinstance(n, int)},
    )


def settings_of(record: Mapping[str, Any]) -> dict[str, object]:
    """Returns the settings of a training by dotted name.

    Args:
        record: Its lineage.json.
    """
    return dict(flat(_object(_object(record, "settings"), "config")))


def scores_of(
    stage: StageResult,
) -> tuple[dict[str, ScoreFacts], dict[str, ScoreFacts], int]:
    """Returns the accuracy of a run by language, with and without the image, and the questions.

    Args:
        stage: The finished stage, whose run holds the report.
    """
    if stage.folder.name not in _STAGES:
        report = read_record(stage.folder / "report.json")
    else:
        report = read_record(stage.folder.parent / "report.json")
    if stage.folder.name in ("pretrain", "align"):  # the report is that of the finished run
        report = {}
    seeing = _scores(report, "accuracy")
    blind = _scores(report, "accuracy_without_image_by_language")
    count = report.get("num_questions")
    return seeing, blind, count if isinstance(count, int) else 0


def _scores(report: Mapping[str, Any], name: str) -> dict[str, ScoreFacts]:
    intervals = _object(report, f"{name}_interval")
    found = {}
    for code, value in _object(report, name).items():
        interval = intervals.get(code)
        low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
        if isinstance(value, int | float):
            found[code] = ScoreFacts(value=float(value), low=low, high=high)
    return found


def _object(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}
