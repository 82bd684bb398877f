"""A bench from its files to its report, with a server that answers and a judge on loopback."""

import csv
import json
import re
from dataclasses import replace

import pytest
from PIL import Image
from tests.fixtures.completion_server import CompletionServer
from tests.unit.evaluate.benches.conftest import write_lines

from palo import config
from palo.endpoint.settings import EndpointSettings
from palo.errors import ConfigError, DataError, IncompleteError, MismatchError, ThresholdError
from palo.evaluate.judging.requests import JudgeSettings
from palo.pipeline.bench_config import BenchRun
from palo.pipeline.bench_scoring import score_on_bench

ASKED = {"ur": "کیا نظر آتا ہے؟", "bn": "কী দেখা যায়?", "en": "What is there?"}
RIGHT = {"ur": "یہاں ایک سبز پہاڑی ہے۔", "bn": "এখানে একটি সবুজ পাহাড় আছে।", "en": "A green hill."}
NAMES = {"ur": "urdu", "bn": "bengali", "en": "english"}
MARKUP = "<script>alert(1)</script>"


def write_bench(tmp_path):
    """Eight questions about eight images in each of three languages, in PALO's layout."""
    folder = tmp_path / "bench"
    (folder / "images").mkdir(parents=True)
    names = [f"{n:03d}.png" for n in range(8)]
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (30 * number, 90, 90)).save(folder / "images" / name)
    for code, language in NAMES.items():
        rows = [
            {
                "question_id": n,
                "image": name,
                "text": f"{ASKED[code]} {n}",
                "category": "conv" if n % 2 else "detail",
            }
            for n, name in enumerate(names)
        ]
        write_lines(folder / language / "question.jsonl", rows)
        answers = [{"question_id": n, "text": RIGHT[code]} for n in range(8)]
        write_lines(folder / language / "answers.jsonl", answers)
        context = [{"image": name, "caption": "A hill."} for name in names]
        write_lines(folder / language / "context.jsonl", context)
    return folder


def files_of(folder, name, words):
    """A model's answers as files, the last question of each language unanswered."""
    for code in NAMES:
        rows = [{"question_id": n, "text": words(code), "model_id": name} for n in range(7)]
        write_lines(folder / f"{name}-{code}.jsonl", rows)
    return f"{name}={folder}/{name}-{{code}}.jsonl"


def behave(body, number):
    """The model's answers in Urdu are English; the judge gives 8 to a right answer, else 2."""
    content = body["messages"][-1]["content"]
    if isinstance(content, list):  # a question with its image
        text = content[1]["text"]
        return RIGHT["bn"] if text.startswith(ASKED["bn"]) else f"A green hill. {MARKUP}"
    parts = re.findall(r"\[(?:First|Second) answer]\n(.*)\n", content)
    scores = [8 if part in RIGHT.values() else 2 for part in parts]
    reason = f"Because. {MARKUP}"
    return json.dumps({"first": scores[0], "second": scores[1], "reason": reason})


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A run that has been scored once, and its server."""
    tmp_path = tmp_path_factory.mktemp("scored")
    server = CompletionServer()
    server.answer = behave
    run = BenchRun(
        bench="llava-wild",
        folder=write_bench(tmp_path),
        models=(files_of(tmp_path, "perfect", RIGHT.get), f"served={server.url}#tiny"),
        output=tmp_path / "out",
        judge=JudgeSettings(endpoint=EndpointSettings(url=server.url, model="judge-1")),
    )
    config.check(run)
    score_on_bench(run)
    yield run, server
    server.close()


@pytest.fixture
def run(scored):
    return scored[0]


def other_judge(run, **changes):
    return replace(run.judge, endpoint=replace(run.judge.endpoint, **changes))


def test_a_bench_is_scored_and_reported(run):
    values = json.loads((run.output / "scores.json").read_text("utf-8"))
    perfect, served = values["models"]["perfect"], values["models"]["served"]
    assert {c: s["value"] for c, s in perfect["scores"]["by_language"].items()} == {
        "en": 100,
        "bn": 100,
        "ur": 100,
    }
    assert perfect["unscored"] == {"no answer": 3}
    assert {c: s["value"] for c, s in served["scores"]["by_language"].items()} == {
        "en": 25,
        "bn": 100,
        "ur": 25,
    }
    assert served["measures"]["ur"]["fidelity"] == 0
    assert served["measures"]["bn"]["fidelity"] == 1
    assert served["scores"]["averages"]["low"]["value"] == 62.5
    assert "more than noise" in values["differences_to_first"]["served"]["ur"]["note"]
    assert values["judge"]["model"] == "judge-1"


def test_the_report_holds_every_answer_and_nothing_runs_in_it(run):
    names = {path.name for path in run.output.iterdir()}
    assert {"report.html", "report.md", "tables.tex", "scores.csv", "radar.png"} <= names
    assert {"language-ur.html", "language-bn.html", "category-conv.html", "heat-map.png"} <= names
    for name in names:
        if name.endswith(".html"):
            text = (run.output / name).read_text("utf-8")
            assert "<script" not in text
            assert "default-src 'none'" in text
    first = (run.output / "report.html").read_text("utf-8")
    assert "PALO-7B (paper)" in first
    assert "57.7" in first
    assert "PALO-13B Avg. 61.9 (is 61.97)" in first
    assert first.count("data:image/png") == 2
    urdu = (run.output / "language-ur.html").read_text("utf-8")
    assert 'lang="ur" dir="auto"' in urdu
    assert urdu.count(RIGHT["ur"]) == 15  # eight references, seven answers
    assert "answers in English, not in Urdu" in urdu
    assert "&lt;script&gt;" in urdu
    assert "no answer" in urdu
    assert urdu.count("<img") == 8


def test_tables_come_in_three_forms(run):
    markdown = (run.output / "report.md").read_text("utf-8")
    row = next(line for line in markdown.splitlines() if line.startswith("| PALO-13B (paper)"))
    assert row.split("|")[2:5] == [" 65.5 ", " 62.1 ", " 66.4 "]
    assert row.endswith("| 63.8 | 59.2 | 61.9 |")
    latex = (run.output / "tables.tex").read_text("utf-8")
    assert r"relative score (\%)" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    with (run.output / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {"perfect", "served"}
    assert {row["language"] for row in rows} == {"en", "bn", "ur", "Avg.H", "Avg.L", "Avg."}


def test_a_second_run_asks_nothing_and_the_gate_comes_after_the_report(scored, capsys):
    run, server = scored
    asked = len(server.bodies)
    before = json.loads((run.output / "scores.json").read_text("utf-8"))
    (run.output / "report.html").unlink()
    with pytest.raises(ThresholdError, match=r"served: avg_low is 62\.5, required avg_low>=70"):
        score_on_bench(replace(run, require="avg_low>=70 unscored<=1"))
    assert len(server.bodies) == asked
    assert (run.output / "report.html").is_file()
    after = json.loads((run.output / "scores.json").read_text("utf-8"))
    assert after["models"] == before["models"]
    assert "| served" in capsys.readouterr().out


def test_another_version_of_the_bench_or_judge_is_not_mixed_in(run, tmp_path):
    with pytest.raises(MismatchError, match="results of another judge"):
        score_on_bench(replace(run, judge=other_judge(run, model="judge-2")))
    other = write_bench(tmp_path)
    context = other / "urdu" / "context.jsonl"
    context.write_text(context.read_text("utf-8").replace("hill", "lake"), "utf-8")
    with pytest.raises(MismatchError, match="results of another bench"):
        score_on_bench(replace(run, folder=other, judge=None))


def test_without_a_judge_there_are_measures_and_a_gate_on_them(run, tmp_path):
    plain = replace(run, judge=None, output=tmp_path / "plain")
    with pytest.raises(ThresholdError, match="served: fidelity_ur is 0"):
        score_on_bench(replace(plain, require="fidelity_ur>=0.98"))
    values = json.loads((tmp_path / "plain" / "scores.json").read_text("utf-8"))
    assert values["judge"] is None
    assert values["models"]["perfect"]["measures"]["bn"]["exact"] == 1
    assert not (tmp_path / "plain" / "radar.png").exists()


def test_models_and_judges_that_can_not_be_meant_are_told_together(run):
    wrong = replace(
        run,
        models=("a=x.jsonl", "a=y.jsonl", "b", "c=http://h/v1", "d/e=x"),
        languages=("xx",),
        judge=other_judge(run, model=""),
        require="nonsense",
        max_tokens=0,
    )
    with pytest.raises(ConfigError) as caught:
        config.check(wrong)
    for clause in (
        "two models have one name: a",
        "'b' must be written NAME=SOURCE",
        "needs its name on the server",
        "can't be that of a file",
        "language 'xx'",
        "go together",
        "max_tokens",
        "a requirement can't be read",
    ):
        assert clause in str(caught.value)


def test_short_answers_are_not_for_a_judge(run):
    with pytest.raises(ConfigError, match="xGQA is not for a judge"):
        score_on_bench(replace(run, bench="xgqa"))


def served(tmp_path, server, **changes):
    """A run of a served model and a judge, both asked one by one."""
    endpoint = EndpointSettings(url=server.url, model="judge-1", in_flight=1, attempts=1)
    return BenchRun(
        bench="llava-wild",
        folder=write_bench(tmp_path),
        models=(f"served={server.url}#tiny",),
        languages=("en",),
        in_flight=1,
        output=tmp_path / "out",
        judge=JudgeSettings(endpoint=replace(endpoint, **changes)),
    )


def test_what_got_no_answer_is_told_and_the_same_command_goes_on(completions, tmp_path, capsys):
    odd = (400, {"error": {"message": "the cat ate it"}})
    completions.answer = lambda body, number: odd if number == 11 else behave(body, number)
    run = served(tmp_path, completions)
    with pytest.raises(IncompleteError, match=r"1 judgments got no answer: 1 refused.*cat ate it"):
        score_on_bench(run)
    assert "served: no verdict: 1 refused (the first: HTTP 400" in capsys.readouterr().out
    assert (run.output / "scores.json").is_file()
    completions.answer = behave
    asked = len(completions.bodies)
    score_on_bench(run)
    assert len(completions.bodies) == asked + 1


def test_a_judge_s_limit_ends_the_run_by_its_flag(completions, tmp_path):
    completions.answer = behave
    run = served(tmp_path, completions, max_calls=3)
    with pytest.raises(IncompleteError, match=r"a limit ended.*: --judge\.endpoint\.max-calls 3"):
        score_on_bench(run)
    run = served(tmp_path / "b", completions, max_calls=99, input_price=1e6, max_cost=10.0)
    with pytest.raises(ConfigError, match=r"a limit ended.*: --judge\.endpoint\.max-cost 10"):
        score_on_bench(run)


def test_a_judge_that_refuses_everything_ends_the_run_and_leaves_nothing(completions, tmp_path):
    def refuse(body, number):
        is_question = isinstance(body["messages"][-1]["content"], list)
        return behave(body, number) if is_question else (400, {"error": "no such form"})

    completions.answer = refuse
    run = served(tmp_path, completions)
    with pytest.raises(ConfigError, match=r"gives no answer of use.*no such form"):
        score_on_bench(run)
    completions.answer = behave
    score_on_bench(run)
    values = json.loads((run.output / "scores.json").read_text("utf-8"))
    assert values["models"]["served"]["unscored"] == {}


def test_the_temperature_of_answers_is_a_setting(completions, tmp_path):
    completions.answer = behave
    score_on_bench(replace(served(tmp_path, completions), judge=None, temperature=0.7))
    assert {body["temperature"] for body in completions.bodies} == {0.7}


def test_folders_of_languages_may_begin_with_capitals(completions, tmp_path):
    run = replace(served(tmp_path, completions), judge=None)
    (run.folder / "english").rename(run.folder / "English")
    (run.folder / "urdu").rename(run.folder / "UR")
    completions.answer = behave
    score_on_bench(replace(run, languages=("en", "ur")))
    assert len(completions.bodies) == 16
    (run.folder / "ENGLISH").mkdir()
    with pytest.raises(DataError, match="two folders of English: ENGLISH, English"):
        score_on_bench(run)
