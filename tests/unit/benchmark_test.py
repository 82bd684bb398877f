"""Figures, their spread, the result file, the table, and quotes in a document."""

import json
import subprocess

import pytest

from palo import benchmark
from palo.benchmark import Conditions, Figure, Result
from palo.errors import ConfigError


def figure(**changes) -> Figure:
    values = {"name": "ratio", "value": 0.9, "unit": "1", "low": 0.8, "high": 1.0} | changes
    return Figure(**values)


CONDITIONS = Conditions(
    hardware={"num_cpus": 2},
    packages=("pytest",),
    configuration={"steps": 3},
    seeds=(1, 2),
    counts={"repeats": 3},
)


def publish(root, folder=None) -> Result:
    reached = figure(target=0.85, better="higher")
    return benchmark.publish("speed", [reached], CONDITIONS, root=root, folder=folder)


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with a README that quotes a figure."""
    quote = "We reach <!-- bench:speed/ratio -->0.1<!-- /bench --> of it.\n"
    (tmp_path / "README.md").write_text(quote)
    (tmp_path / "docs" / "guides").mkdir(parents=True)
    (tmp_path / "docs" / "guides" / "speed.md").write_text(quote)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "a"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({}, None),
        ({"target": 0.9, "better": "higher"}, True),
        ({"target": 0.91, "better": "higher"}, False),
        ({"target": 0.9, "better": "lower"}, True),
        ({"target": 0.89, "better": "lower"}, False),
    ],
)
def test_a_target_is_met_in_its_direction(changes, met):
    assert figure(**changes).met is met


def test_the_result_file_holds_what_repeats_and_judges_a_run(checkout):
    result = publish(checkout)
    path = benchmark.results_folder(checkout) / "speed.json"
    assert benchmark.read_results(path.parent) == {"speed": result}
    head = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    values = json.loads(path.read_text())
    assert (values["commit"], values["dirty"]) == (head, False)
    assert values["versions"]["pytest"] == pytest.__version__
    assert values["seeds"] == [1, 2]
    assert publish(checkout).dirty


def test_a_figure_without_a_target_has_neither_target_nor_direction(tmp_path):
    benchmark.publish("speed", [figure()], CONDITIONS, root=tmp_path, folder=tmp_path)
    values = json.loads((tmp_path / "speed.json").read_text())
    assert set(values["figures"][0]) == {"name", "value", "unit", "low", "high"}
    assert benchmark.read_results(tmp_path)["speed"].figures == (figure(),)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"target": 1.0}, "ratio needs target and better together"),
        ({"better": "lower"}, "ratio needs target and better together"),
        ({"value": 2.0}, "ratio is 2.0, outside 0.8 to 1.0"),
        ({"value": float("nan")}, "ratio is nan, outside 0.8 to 1.0"),
    ],
)
def test_a_figure_that_contradicts_itself_is_not_published(tmp_path, changes, fault):
    with pytest.raises(ConfigError, match=fault):
        benchmark.publish("speed", [figure(**changes)], CONDITIONS, root=tmp_path, folder=tmp_path)
    assert not (tmp_path / "speed.json").exists()


@pytest.mark.parametrize("page", ["README.md", "docs/guides/speed.md"])
def test_publishing_renews_the_quotes_of_documents(checkout, page):
    publish(checkout)
    text = (checkout / page).read_text()
    assert text == "We reach <!-- bench:speed/ratio -->0.900<!-- /bench --> of it.\n"


def test_a_run_of_some_parts_leaves_the_result_of_all_and_the_documents(checkout, capsys):
    publish(checkout)
    before = {path: path.read_bytes() for path in checkout.rglob("*.[jm][sd]*")}
    with pytest.raises(ConfigError, match=r"speed/ratio.*--output") as raised:
        benchmark.publish("speed", [figure(name="part")], CONDITIONS, root=checkout)
    assert "all its parts" in str(raised.value)
    assert {path: path.read_bytes() for path in before} == before
    assert "part" in capsys.readouterr().out  # what was measured is shown all the same


def test_a_trial_elsewhere_leaves_the_readme_alone(checkout, tmp_path):
    before = (checkout / "README.md").read_text()
    publish(checkout, folder=tmp_path / "trial")
    assert (checkout / "README.md").read_text() == before


def test_a_quote_without_a_result_is_refused():
    with pytest.raises(ConfigError, match="speed/other"):
        benchmark.requoted("<!-- bench:speed/other -->1<!-- /bench -->", {})


def test_a_result_under_another_name_is_refused(checkout):
    publish(checkout)
    path = benchmark.results_folder(checkout) / "speed.json"
    path.rename(path.with_name("other.json"))
    with pytest.raises(ConfigError, match="another bench: speed"):
        benchmark.read_results(path.parent)


def test_the_table_says_which_targets_were_missed(checkout, capsys):
    publish(checkout)
    missed = figure(name="cost", target=0.5, better="lower")
    benchmark.publish("speed", [missed], CONDITIONS, root=checkout, folder=checkout)
    first, second = capsys.readouterr().out.split("speed.json\n")[:2]
    assert "met" in first
    assert "MISSED" not in first
    assert "cost" in second
    assert "<= 0.500  MISSED" in second


def test_resampling_keeps_ratios_of_sums_and_narrows_with_repeats():
    def ratio(pairs):
        return sum(a for a, _ in pairs) / sum(b for _, b in pairs)

    few = benchmark.resampled("r", ratio, [(1.0, 2.0), (3.0, 4.0), (2.0, 2.0)], "1")
    many = benchmark.resampled("r", ratio, [(1.0, 2.0), (3.0, 4.0), (2.0, 2.0)] * 20, "1")
    assert few.value == many.value == 0.75
    assert few.low >= 0.5
    assert few.high <= 1.0
    assert many.high - many.low < few.high - few.low


def test_a_spread_is_the_mean_and_the_range():
    assert benchmark.spread("s", [1.0, 3.0, 2.0], "s") == figure(
        name="s", value=2.0, unit="s", low=1.0, high=3.0
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.98765, "1", "0.988"),
        (1.0, "s", "1.00"),
        (12.345, "%", "12.3"),
        (99.96, "ms", "100"),
        (1234.5, "tokens", "1,234"),
        (30.0, "runs", "30"),
        (0, "requests", "0"),
        (3.2, "steps", "3.20"),
        (4.0, "requests/s", "4.00"),
    ],
)
def test_numbers_are_shown_with_three_digits_and_counts_without_decimals(value, unit, text):
    assert benchmark.shown(value, unit) == text
