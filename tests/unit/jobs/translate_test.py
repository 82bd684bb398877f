"""The job from its command line: with a server that fails as servers do, and killed as it works."""

import json
import sys

import pytest
from tests.conftest import ROOT
from tests.fixtures.scripts import load_script

from palo import storage
from palo.errors import ConfigError

CODE = "bn"


@pytest.fixture
def main():
    """The job's entry point."""
    return load_script(ROOT / "jobs" / "translate.py").main


@pytest.fixture
def parts(monkeypatch):
    """The bench's own modules, which are importable from beside the bench alone."""
    monkeypatch.syspath_prepend(str(ROOT / "jobs" / "bench"))
    before = set(sys.modules)
    from translating import conversations, kills, serving

    yield conversations, kills, serving
    for name in set(sys.modules) - before:
        if name.startswith("translating"):
            del sys.modules[name]


@pytest.fixture
def inputs(parts, tmp_path):
    """Conversations, and the dictionary of a server that knows them."""
    return parts[0].write_conversations(tmp_path / "inputs", 30, seed=1)


def flags(rows, url, output, *more):
    return [
        str(rows), "--to", CODE, "--endpoint.url", url, "--endpoint.model", "m",
        "--output", str(output), "--endpoint.input-price", "1", "--endpoint.output-price", "2",
        *more,
    ]  # fmt: skip


def test_every_fault_of_a_server_is_got_over(parts, inputs, main, tmp_path, capsys):
    rows, dictionary = inputs
    serving = {"dictionary": dictionary, "language": CODE, "bill": tmp_path / "bill"}
    with parts[2].running_server(**serving, faults=1.0) as url:
        main(flags(rows, url, tmp_path / "job"))
    said = capsys.readouterr().out
    assert f"{CODE}: 30 records, 0 in review, 0 in quarantine, 0 to come" in said
    report = storage.read_json(tmp_path / "job" / "report.json")
    bill = [line.split()[1] for line in (tmp_path / "bill").read_text().splitlines()]
    assert len(set(bill)) >= 4
    costs = report["costs"]
    assert costs["answers"] == len(bill) - bill.count("half")
    assert costs["cost"] > 0
    assert report["languages"][CODE]["attempts"]["2"] > 0
    row = json.loads((tmp_path / "job" / "records" / f"{CODE}.jsonl").read_text().splitlines()[0])
    known = storage.read_json(dictionary)
    (source,) = [
        line
        for _, line in storage.read_json_lines(rows)
        if row["origin_record_id"].startswith(f"rows/{line['id']}@")
    ]
    texts = [turn["value"] for turn in source["conversations"]]
    assert [turn["value"] for turn in row["conversations"]] == [known[t][CODE] for t in texts]


def test_a_refused_key_ends_the_job_at_once_and_is_no_loss(
    parts, inputs, main, tmp_path, monkeypatch
):
    rows, dictionary = inputs
    serving = {"dictionary": dictionary, "language": CODE, "bill": tmp_path / "bill", "key": "k"}
    with parts[2].running_server(**serving) as url:
        monkeypatch.setenv("A_KEY", "wrong")
        with pytest.raises(ConfigError, match=r"refuses the API key.*A_KEY"):
            main(flags(rows, url, tmp_path / "job", "--endpoint.key-env", "A_KEY"))
        report = storage.read_json(tmp_path / "job" / "report.json")
        assert report["languages"][CODE]["missing"] == 30
        monkeypatch.setenv("A_KEY", "k")
        main(flags(rows, url, tmp_path / "job", "--endpoint.key-env", "A_KEY"))
    assert storage.read_json(tmp_path / "job" / "report.json")["languages"][CODE]["records"] == 30
    assert len((tmp_path / "bill").read_text().splitlines()) == 30


def test_a_budget_of_money_holds_over_runs(parts, inputs, main, tmp_path):
    rows, dictionary = inputs
    serving = {"dictionary": dictionary, "language": CODE, "bill": tmp_path / "bill"}
    with parts[2].running_server(**serving) as url:
        limit = ["--endpoint.max-cost", "0.012", "--generation.max-tokens", "1000"]
        limit += ["--endpoint.in-flight", "4"]
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"a limit ended.*--endpoint\.max-cost 0\.012"):
                main(flags(rows, url, tmp_path / "job", *limit))
    report = storage.read_json(tmp_path / "job" / "report.json")
    assert 0 < report["costs"]["cost"] + report["costs"]["open_cost"] <= 0.012
    assert report["languages"][CODE]["missing"] > 0
    assert report["lost"]["budget"] > 0


def test_killed_twice_it_loses_nothing_and_pays_for_nothing_twice(parts, inputs, tmp_path):
    rows, dictionary = inputs
    kills = parts[1]
    order = kills.Order(
        rows=rows,
        dictionary=dictionary,
        folder=tmp_path / "drill",
        kills=2,
        in_flight=4,
        faults=0.3,
        seed=3,
    )
    done = kills.drill(order)
    assert done.num_kills == 2
    assert (done.num_lost, done.num_doubled, done.num_wrong) == (0, 0, 0)
    assert done.num_billed >= 30
    assert done.num_paid_twice <= min(done.num_open, 2 * order.in_flight)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--to", "xx", "--endpoint.url", "http://a/v1", "--endpoint.model", "m"],
            "'xx' is none of",
        ),
        (["--to", CODE], "url is '' but must be as"),
        (["--to", CODE, "--backend", "local"], "name the model's folder"),
        (["--to", CODE, CODE, "--backend", "apertium"], "names a language twice"),
        (["--to", CODE, "--backend", "apertium", "--retries", "-1"], "retries must not"),
        (["--to", CODE, "--backend", "google"], "backend"),
        (["--to", CODE, "--backend", "none"], "backend must name a translator"),
        (
            [
                "--to",
                CODE,
                "--endpoint.url",
                "http://a/v1",
                "--endpoint.model",
                "m",
                "--endpoint.input-price",
                "1",
                "--endpoint.max-cost",
                "1",
                "--second.backend",
                "endpoint",
                "--second.endpoint.url",
                "http://b/v1",
                "--second.endpoint.model",
                "m",
            ],
            "second.endpoint.max_cost must be set, too",
        ),
    ],
)
def test_wrong_settings_are_told_before_anything_is_asked(main, tmp_path, more, message):
    with pytest.raises(ConfigError, match=message):
        main([str(tmp_path / "rows.jsonl"), *more])


def test_a_command_without_anything_says_what_is_missing_by_the_names_of_flags(main):
    with pytest.raises(ConfigError) as refused:
        main([])
    said = str(refused.value)
    for fault in ("source must name a file", "to must name at least", "endpoint.url is ''"):
        assert fault in said
    assert "translator." not in said
