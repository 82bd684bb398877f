"""What a model's lineage records of the corpus that it was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palo import storage
from palo.data.manifest import Manifest


def corpus_record(corpus: Path, manifest: Manifest, model: Path) -> dict[str, Any]:
    """Returns the record of a corpus, as JSON values.

    Args:
        corpus: Folder of the corpus.
        manifest: Its manifest.
        model: Folder of the model: corpus and model can be moved together.

    Returns:
        `folder`, `relative` to the model's folder, `fingerprint`, `samples`, `images`, and
        `records`: rows of source, licence, language, and how many of these gave samples.
    """
    return {
        "folder": str(_whole(corpus)),
        "relative": storage.relative_text(_whole(corpus), _whole(model)),
        "fingerprint": manifest.fingerprint,
        "samples": manifest.num_samples,
        "images": manifest.num_images,
        "records": record_counts(manifest),
    }


def record_counts(manifest: Manifest) -> list[dict[str, Any]]:
    """Counts the records that gave samples, by source, licence and language.

    Args:
        manifest: Manifest of a corpus.

    Returns:
        Rows of `source`, `licence` (empty where the source's list names none), `language` and
        `records`. Of a corpus that was built of no sources the counts by language alone.
    """
    if not manifest.sources:
        return [
            {"source": "", "licence": "", "language": one.language, "records": one.num_records}
            for one in manifest.languages
        ]
    licences = {
        name: str(one.get("licence", "")) for name, one in source_settings(manifest).items()
    }
    return [
        {
            "source": source.name,
            "licence": licences.get(source.name, ""),
            "language": language,
            "records": count,
        }
        for source in manifest.sources
        for language, count in source.num_records.items()
    ]


def source_settings(manifest: Manifest) -> dict[str, Mapping[str, Any]]:
    """Returns the settings of each source of a corpus by its name, as JSON values.

    Args:
        manifest: Manifest of the corpus.
    """
    found = manifest.settings.get("sources")
    if not isinstance(found, Mapping):
        return {}
    return {str(name): one for name, one in found.items() if isinstance(one, Mapping)}


def _whole(path: Path) -> Path:
    return path if isinstance(path, storage.S3Path) else path.resolve()
