"""The job that compares two models: its files, and the exit code of one that doesn't pass."""

import pytest
from jobs.compare_models import main

from palo import languages, storage
from palo.checkpoint.lineage_id import lineage_id
from palo.errors import ConfigError, DataError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PALO_HOME", raising=False)
    (tmp_path / "prompts.jsonl").write_text(
        '{"question": "a red circle", "language": "en"}\n'
        '{"question": "<script>alert(1)</script> دائرة حمراء", "language": "ar"}\n'
    )
    return tmp_path


def test_a_model_passes_for_itself(here, finished_stage, capsys) -> None:
    options = ["--prompts", "prompts.jsonl", "--max-tokens", "4", "--least-agreement", "1"]
    files = ["--html", "a/page.html", "--json", "a/figures.json"]
    main([str(finished_stage), str(finished_stage), *options, *files, "--most-difference", "0"])
    told = capsys.readouterr().out
    assert told.rstrip().endswith("accepted")
    assert "100.0%" in told
    values = storage.read_json(here / "a" / "figures.json")
    assert values["summary"]["first_id"] == lineage_id(finished_stage)
    assert values["summary"]["origin"] == "prompts.jsonl"
    page = (here / "a" / "page.html").read_text()
    assert "<script>" not in page
    assert 'lang="ar" dir="auto"' in page


def test_a_model_that_does_not_pass_ends_with_1(here, adapted_stage, capsys) -> None:
    options = ["--prompts", "prompts.jsonl", "--max-tokens", "4", "--second-dtype", "bfloat16"]
    with pytest.raises(SystemExit) as ended:
        main([str(adapted_stage), str(adapted_stage), *options, "--most-difference", "1e-6"])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.err.startswith("not accepted: logits differ by up to")
    assert told.err.count("\n") == 1
    assert "stage (bfloat16)" not in told.err


def test_scenes_are_asked_about_in_every_language_where_nothing_is_named(
    here, finished_stage, capsys
) -> None:
    main([str(finished_stage), str(finished_stage), "--scenes", "1", "--max-tokens", "2"])
    told = capsys.readouterr().out
    assert "held-out scenes of seed 0" in told
    assert f"{len(languages.codes())} languages" in told
    assert list((here / "runs" / "comparisons" / "scenes-0").glob("*.png"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "two models are compared, not 1"),
        (["a", "b", "--max-tokens", "0"], "max_tokens is 0"),
        (["a", "b", "--least-agreement", "2"], "least_agreement is 2.0"),
        (["a", "b", "--most-difference", "-1"], "most_difference is -1.0"),
        (["a", "b", "--second-dtype", "int8"], "second-dtype"),
    ],
)
def test_wrong_arguments_are_told_before_anything_loads(here, arguments, words) -> None:
    with pytest.raises(ConfigError, match=words):
        main(arguments)


def test_a_folder_without_a_model_is_told(here) -> None:
    with pytest.raises(DataError, match="no finished model here: nowhere"):
        main(["nowhere", "nowhere", "--prompts", "prompts.jsonl"])
