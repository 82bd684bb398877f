"""The dashboard asks for nothing that the endpoint doesn't tell."""

import json
import re
from pathlib import Path

import pytest

from palo.observability.metrics import Metrics

BOARD = Path(__file__).parents[3] / "cluster" / "grafana" / "palo.json"


@pytest.fixture(scope="module")
def board():
    return json.loads(BOARD.read_text())


def queries(board):
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_each_query_names_metrics_that_exist(board):
    there = Metrics(()).series()
    assert "palo_first_token_seconds_bucket" in there
    for query in queries(board):
        named = set(re.findall(r"palo_\w+", query))
        assert named
        assert named <= there.keys(), query
        assert query.count("(") == query.count(")")
        assert query.count("{") == query.count("}")


def test_each_label_belongs_to_its_metric(board):
    there = Metrics(()).series()
    for query in queries(board):
        for name, selector in re.findall(r"(palo_\w+)\{([^}]*)\}", query):
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
    ):
        assert name in text
    for label in ("model", "language", "code"):
        assert f"by ({label})" in text


def test_panels_have_places_of_their_own(board):
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places)
    assert [p["id"] for p in board["panels"]] == list(range(1, len(places) + 1))
