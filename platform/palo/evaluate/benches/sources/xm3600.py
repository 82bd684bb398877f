"""Crossmodal-3600: captions of people in 36 languages for 3,600 images."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from palo import languages
from palo.evaluate.benches.bench import BenchItem, BenchSource
from palo.evaluate.benches.rows import Row, read_rows

_ASKED = "Describe this image in one sentence. Answer in {language}."


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    path = folder / "captions.jsonl"
    if not path.is_file():
        return None
    question = _ASKED.format(language=languages.get(code).name)
    return [
        _item(folder, code, row, question) for row in read_rows(path) if code in row.values
    ] or None


def _item(folder: Path, code: str, row: Row, question: str) -> BenchItem:
    own = row.values[code]
    captions = Row(row.path, row.number, own if isinstance(own, Mapping) else {}).texts("caption")
    key = row.text("image/key")
    return BenchItem(
        question_id=key,
        language=code,
        image=folder / "images" / f"{key}.jpg",
        category="caption",
        question=question,
        references=captions,
    )


SOURCE = BenchSource(
    name="xm3600",
    title="Crossmodal-3600",
    licence="captions CC BY 4.0; images CC BY 2.0 (Open Images)",
    origin="https://google.github.io/crossmodal-3600",
    task="caption",
    layout="images/ and captions.jsonl",
    read=_read,
)
