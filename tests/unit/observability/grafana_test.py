"""The dashboard asks for nothing that the platform or Ray doesn't tell."""

import json
import re
from pathlib import Path

import pytest
from ray.dashboard.modules.metrics import dashboards as rays_own

from palo.job_metrics import WORK_UNITS
from palo.observability.metrics import Metrics
from palo.train.tracking.ray_gauges import LANGUAGE_LOSS, LEARNING_RATE, STEP, VALUES

BOARD = Path(__file__).parents[3] / "cluster" / "grafana" / "palo.json"
JOB_METRICS = (WORK_UNITS, STEP, LEARNING_RATE, LANGUAGE_LOSS, *VALUES.values())
_SERIES = re.compile(r"\b((?:ray|palo)_\w+)")
_SELECTED = re.compile(r"\b((?:ray_)?palo_\w+)\{([^}]*)\}")


@pytest.fixture(scope="module")
def board():
    return json.loads(BOARD.read_text())


def queries(board):
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


def variables(board):
    return [v["query"]["query"] for v in board["templating"]["list"] if v["type"] == "query"]


def ours():
    """The labels of every series of the endpoint and of jobs, by its name."""
    return Metrics(()).series() | {metric.series: metric.labels for metric in JOB_METRICS}


def of_ray():
    """The names that Ray's own dashboards ask for; it publishes no other list."""
    (folder,) = rays_own.__path__
    texts = [path.read_text() for path in Path(folder).glob("*_panels.py")]
    return {name for text in texts for name in _SERIES.findall(text)}


def test_each_query_names_metrics_that_exist(board):
    there = ours().keys() | of_ray()
    assert {"palo_first_token_seconds_bucket", "ray_palo_train_loss", "ray_node_mem_used"} <= there
    for query in [*queries(board), *variables(board)]:
        named = set(_SERIES.findall(query))
        assert named
        assert named <= there, query
        assert query.count("(") == query.count(")")
        assert query.count("{") == query.count("}")


def test_each_label_belongs_to_its_metric(board):
    there = ours()
    for query in queries(board):
        for name, selector in _SELECTED.findall(query):
            chosen = set(re.findall(r"(\w+)=~", selector))
            assert chosen <= set(there[name]), query


def test_what_the_dashboard_must_show_is_there(board):
    text = " ".join(queries(board))
    for name in (
        "palo_engine_waiting",
        "palo_engine_batch_size",
        "palo_engine_prefill_tokens_total",
        "palo_engine_decode_tokens_total",
        "palo_first_token_seconds_bucket",
        "palo_token_seconds_bucket",
        "palo_engine_cached_tokens_total",
        "palo_requests_total",
        "ray_palo_train_loss",
        "ray_palo_train_tokens_per_second",
        "ray_palo_train_data_wait_ratio",
        "ray_palo_work_units_total",
    ):
        assert name in text
    for label in ("model", "language", "code"):
        assert f"by ({label})" in text


def test_serving_training_and_data_have_a_row_each(board):
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert rows == ["Serving", "Training", "Data", "Nodes"]


def test_panels_have_places_of_their_own(board):
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places)
    assert [p["id"] for p in board["panels"]] == list(range(1, len(places) + 1))
