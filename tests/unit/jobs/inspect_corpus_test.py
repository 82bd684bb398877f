import json

import pytest
from jobs import inspect_corpus

from palo.errors import ConfigError, DataError


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([{"image": "a.jpg", "caption": "A dog runs over the green grass."}]))
    return file


@pytest.mark.parametrize(
    "asked",
    [["--html", "page.html"], ["--record", "1"], ["--export-quarantine", "x.jsonl"], ["--report"]],
)
def test_what_only_a_corpus_has_is_not_left_undone_in_silence(rows, asked):
    """Regression: --html with --source ended with 0 and without a page."""
    name = asked[0].removeprefix("--").replace("-", "_")
    with pytest.raises(ConfigError, match=f"of a source there is no {name} before it is built"):
        inspect_corpus.main(["--source", str(rows), *asked])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--language", "ur", "--seed", "-1"], "seed is -1 but can't be negative"),
        (["--record", "1", "--report"], "only one of record, report can be shown"),
        (
            ["--export-quarantine", "x", "--reason", "ugly"],
            "no row is left out for .*'ugly', but for not",
        ),
    ],
)
def test_wrong_wishes_are_one_line(tmp_path, arguments, told):
    with pytest.raises(ConfigError, match=told):
        inspect_corpus.main([str(tmp_path), *arguments])


def test_a_file_that_is_no_archive_holds_no_images(rows):
    """Regression: all images were said to be in an archive, whatever the file was."""
    with pytest.raises(DataError, match=r"archive of images can't be read.*rows\.json: it begins"):
        inspect_corpus.main(["--source", str(rows), "--images", str(rows)])
