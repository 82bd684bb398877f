import json

import pytest
from tests.fixtures.translation import WORDS

from palo.translate.bulk.job import TranslationWork, translate_all
from palo.translate.bulk.source import Source


@pytest.fixture
def rows(tmp_path):
    """A file of three conversations, the last two of them alike, and two bad rows."""
    pairs = [WORDS[:2], WORDS[2:4], WORDS[2:4]]
    lines = [
        {
            "id": str(number),
            "image": f"{number}.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\n{question}"},
                {"from": "gpt", "value": answer},
            ],
        }
        for number, (question, answer) in enumerate(pairs)
    ]
    path = tmp_path / "rows.jsonl"
    text = "".join(json.dumps(line) + "\n" for line in [*lines, {"id": "bad"}])
    path.write_text(text + "{broken\n")
    return path


@pytest.fixture
def translate(rows, tmp_path):
    """Runs a job on the rows with a backend."""

    def run(
        backend,
        *,
        folder="job",
        codes=("es",),
        path=rows,
        on_progress=lambda line: None,
        **settings,
    ):
        work = TranslationWork(
            source=Source(path=path, name="photos", licence="CC-BY-4.0"),
            languages=codes,
            backend=backend,
            **settings,
        )
        return translate_all(work, tmp_path / folder, on_progress=on_progress)

    return run


@pytest.fixture
def read_lines(tmp_path):
    """Reads a file of JSON lines below the job's folder."""

    def read(name, folder="job"):
        text = (tmp_path / folder / name).read_text()
        return [json.loads(line) for line in text.splitlines()]

    return read
