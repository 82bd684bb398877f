"""POPE: questions of yes or no about objects that are in an image, or only might be."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from palo.evaluate.benches.bench import BenchItem, BenchSource
from palo.evaluate.benches.rows import read_rows

_KINDS = ("random", "popular", "adversarial")


def _read(folder: Path, code: str) -> Iterable[BenchItem] | None:
    ending = "" if code == "en" else f"_{code}"
    paths = {kind: folder / f"coco_pope_{kind}{ending}.json" for kind in _KINDS}
    present = {kind: path for kind, path in paths.items() if path.is_file()}
    return list(_items(folder, present, code)) if present else None


def _items(folder: Path, paths: dict[str, Path], code: str) -> Iterator[BenchItem]:
    for kind, path in paths.items():
        for row in read_rows(path):
            label = row.text("label").lower()
            if label not in ("yes", "no"):
                raise row.wrong("has a label that is neither yes nor no", label)
            yield BenchItem(
                question_id=f"{kind}-{row.text('question_id')}",
                language=code,
                image=folder / "images" / row.text("image"),
                category=kind,
                question=row.text("text"),
                references=(label,),
                yes_no=True,
            )


SOURCE = BenchSource(
    name="pope",
    title="POPE",
    licence="not known to us: ask its authors; images under the terms of COCO and Flickr",
    origin="https://github.com/AoiDragon/POPE, output/coco",
    task="short_answer",
    layout="images/ and coco_pope_random.json, coco_pope_popular.json or "
    "coco_pope_adversarial.json (in other languages with _ur and the like behind); labels are "
    "English in all",
    read=_read,
)
