"""What people do with a finished corpus: read its report, look into it, repair and feed back."""

import dataclasses
import json
from pathlib import Path

import pytest
from tests.fixtures.corpora import good_rows, row
from tests.fixtures.scripts import load_script

from palo.corpus.build import build_corpus
from palo.corpus.config import CleaningSettings, SourceConfig
from palo.corpus.filter.mixture import MixtureSettings
from palo.corpus.report.report import report_path
from palo.corpus.report.show import Inspector
from palo.data.corpus_reader import open_corpus
from palo.errors import ConfigError, DataError

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

_JOB = Path(__file__).resolve().parents[2] / "jobs" / "inspect_corpus.py"
_SAID = "there are two blue squares and one red circle in the middle of this image "


@pytest.fixture(scope="module")
def main():
    return load_script(_JOB).main


def bad_rows():
    unanswered = row(30)
    unanswered["conversations"].pop()
    return [
        unanswered,
        row(31) | {"image": "missing.png"},
        row(32, language="tlh"),
        row(33, corrupt=True),
    ]


def long_row(number, text):
    made = row(number)
    made["conversations"][1]["value"] = text
    made["image"] = "1.png"
    return made


def broken_bytes():
    rows = [*good_rows(), *bad_rows(), long_row(40, _SAID * 3), long_row(41, f"{_SAID * 3}!")]
    lines = [json.dumps(value) for value in rows]
    return "\n".join([*lines, '{"id": 50, "image": "0.png", "conversat', ""]).encode()


def repaired(line):
    """Does what a person would."""
    values = json.loads(line)
    why = values.pop("quarantine")
    match why["reason"]:
        case "last turn has no answer":
            values["conversations"].append({"from": "gpt", "value": "one"})
        case "image is missing":
            values["image"] = "3.png"
        case "unknown language":
            values["language"] = "en"
        case "marked as corrupt":
            values["corrupt"] = False
        case "not JSON":
            assert values.pop("raw").startswith('{"id": 50')
            values = row(50)
        case "nearly a duplicate":
            return None
    return json.dumps(values)


def test_rows_left_out_are_exported_repaired_and_fed_back(make_config, tmp_path, main, capsys):
    cleaning = CleaningSettings(other_language="off", near_duplicates=0.8)
    config = make_config(broken_bytes(), max_bad_share=0.5, cleaning=cleaning)
    first = build_corpus(config).manifest
    exported = tmp_path / "quarantine.jsonl"
    main([str(config.output), "--export-quarantine", str(exported)])
    assert "6 rows that were left out" in capsys.readouterr().out
    lines = [repaired(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    path = tmp_path / "repaired.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines if line), encoding="utf-8")
    source = config.sources[0]
    main([str(config.output), "--report"])
    more = SourceConfig(name="repaired", path=path, images=source.images, language="en")
    again = dataclasses.replace(config, sources=(source, more))
    second = build_corpus(again).manifest
    assert second.num_samples == first.num_samples + 5
    assert not report_path(config.output).exists()  # it was about the corpus that was there
    corpus = open_corpus(again.output)
    ids = [sample.record_id.split("@")[0] for sample in corpus.read(range(len(corpus)))]
    assert sorted(ids[-5:]) == [f"repaired/{number}" for number in (30, 31, 32, 33, 50)]
    main([str(config.output), "--record", "repaired@0"])
    assert "left out" not in capsys.readouterr().out


def test_the_job_shows_the_account_samples_rows_and_pages(make_config, tmp_path, main, capsys):
    cleaning = CleaningSettings(other_language="off", near_duplicates=0.8)
    config = make_config(
        broken_bytes(),
        max_bad_share=0.5,
        cleaning=cleaning,
        mixture=MixtureSettings(per_language={"zh": 4}),
    )
    build_corpus(config)
    corpus = str(config.output)
    main([corpus])
    account = capsys.readouterr().out
    assert "1 nearly a duplicate (en 1)" in account
    assert "6 not in the mixture (zh 6)" in account
    assert "1 not JSON (unknown 1)" in account
    main([corpus, "--record", "41"])
    shown = capsys.readouterr().out
    assert "left out at near_duplicate: nearly a duplicate: of made@" in shown
    main([corpus, "--language", "ur", "--count", "2"])
    assert capsys.readouterr().out.count("  ur  ") == 2
    main([corpus, "--report", "--count", "3"])
    page = (config.output / "report" / "index.html").read_text(encoding="utf-8")
    assert f"report: {config.output}/report/index.html" in capsys.readouterr().out
    assert "Group 1: 1 like the first" in page
    assert "<ins>" in page
    assert 'id="mixture"' in page
    assert page.count("<img") >= 3
    target = tmp_path / "page.html"
    main([corpus, "--sample", "1", "--html", str(target)])
    assert "<article" in target.read_text(encoding="utf-8")


def test_a_build_that_stops_leaves_its_quarantine_to_repair(make_config, tmp_path, main):
    config = make_config(broken_bytes(), max_bad_share=0.01)
    with pytest.raises(DataError, match="rows are bad"):
        build_corpus(config)
    target = tmp_path / "repair.jsonl"
    main([str(config.output), "--export-quarantine", str(target), "--reason", "not JSON"])
    (line,) = target.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["quarantine"]["file"].endswith("made.json")
    assert "not finished" in Inspector(config.output).account(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "folder of the corpus is missing"),
        (["x", "--language", "xx"], "'xx' is not one of"),
        (["x", "--record", "1", "--report"], "only one of record, report"),
        (["x", "--reason", "not JSON"], "reason goes with export_quarantine"),
        (["x", "--count", "0"], "count must be at least 1"),
    ],
)
def test_wrong_arguments_are_told(main, arguments, message):
    with pytest.raises(ConfigError, match=message):
        main(arguments)
