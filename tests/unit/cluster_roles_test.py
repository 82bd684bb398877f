"""What each recipe and each kind of work would start on the cluster of ray_cluster.yaml.

Ray's own scheduler answers, so that no node of eight GPUs comes up for a task on rows.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fixtures.node_scheduler import Wish, ask_scheduler, bundle, bundles

from palo.capacity import Node
from palo.corpus.images_step.encoder_actors import encoder_share
from palo.recipes import RECIPES
from palo.roles import role_labels
from palo.train.worker_resources import worker_share

_FILE = Path(__file__).resolve().parents[2] / "cluster" / "ray_cluster.yaml"
_ON_GPUS = {"train": 1}
_ON_CPUS = {"data_spot": 1}


class HeadAlone:
    """The cluster after `ray up`: its head is up, and nothing else."""

    can_grow = True

    def __init__(self, cluster: dict[str, Any]) -> None:
        head = cluster["available_node_types"][cluster["head_node_type"]]
        self._head = Node(resources=head["resources"], labels=head["labels"])

    def nodes(self) -> list[Node]:
        return [self._head]


@pytest.fixture(scope="module")
def aws() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return values


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_starts_the_nodes_that_it_trains_on(aws: dict[str, Any], name: str) -> None:
    recipe = RECIPES[name]()
    for stage in filter(None, (recipe.pretrain, recipe.finetune)):
        wanted = bundles(worker_share(stage.workers, HeadAlone(aws)))
        expected = _ON_GPUS if stage.workers.use_gpu else _ON_CPUS
        for wish in (Wish(group=wanted), Wish(asked=wanted)):
            answer = ask_scheduler(aws, wish)
            assert (answer.nodes, answer.waiting) == (expected, 0)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_starts_the_nodes_that_it_encodes_on(aws: dict[str, Any], name: str) -> None:
    encoders = RECIPES[name]().data.encoders
    answer = ask_scheduler(aws, Wish(group=bundles(encoder_share(encoders, HeadAlone(aws)))))
    expected = _ON_GPUS if encoders.gpus else _ON_CPUS
    assert (answer.nodes, answer.waiting) == (expected, 0)


def test_the_recipes_are_of_both_kinds() -> None:
    kinds = {RECIPES[name]().finetune.workers.use_gpu for name in RECIPES}
    assert kinds == {True, False}


def test_more_tasks_than_all_data_nodes_hold_start_no_other_node(aws: dict[str, Any]) -> None:
    """Regression: 300 tasks of a corpus started a node with eight A100, which none of them used."""
    labels = role_labels("data", HeadAlone(aws))
    for wish in (
        Wish(tasks=[bundle({"CPU": 1}, labels)] * 300),
        Wish(tasks=[bundle({"CPU": 1}, labels)] * 300, failed={"data_spot": 0.0}),
    ):
        answer = ask_scheduler(aws, wish)
        assert answer.nodes
        assert set(answer.nodes) <= {"data_spot", "data_on_demand"}
        assert answer.waiting > 0
    # Ray Data also asks for twice of what it uses.
    asked = ask_scheduler(aws, Wish(asked=[bundle({"CPU": 1}, labels)] * 200))
    assert set(asked.nodes) == {"data_spot", "data_on_demand"}
    unlabelled = ask_scheduler(aws, Wish(asked=[bundle({"CPU": 1}, {})] * 300))
    assert "train" in unlabelled.nodes


def test_more_replicas_than_all_serve_nodes_hold_start_no_other_node(aws: dict[str, Any]) -> None:
    """Regression: the ninth replica of a busy endpoint started a node for training."""
    labels = role_labels("serve", HeadAlone(aws))
    replica = {"CPU": 4, "GPU": 1}
    assert ask_scheduler(aws, Wish(tasks=[bundle(replica, labels)])).nodes == {"serve": 1}
    many = ask_scheduler(aws, Wish(tasks=[bundle(replica, labels)] * 9))
    assert (many.nodes, many.waiting) == ({"serve": 4}, 5)
    unlabelled = ask_scheduler(aws, Wish(tasks=[bundle(replica, {})] * 9))
    assert "train" in unlabelled.nodes


def test_training_on_any_gpu_starts_no_serve_node(aws: dict[str, Any]) -> None:
    """Regression: four workers without a kind of GPU got four serve nodes."""
    labels = role_labels("train", HeadAlone(aws))
    answer = ask_scheduler(aws, Wish(group=[bundle({"CPU": 8, "GPU": 1}, labels)] * 4))
    assert answer.nodes == {"train": 1}
    unlabelled = ask_scheduler(aws, Wish(group=[bundle({"CPU": 8, "GPU": 1}, {})] * 4))
    assert unlabelled.nodes == {"serve": 4}
