import pytest

from palo.capacity import Node, choose_kind
from palo.roles import compute_role, role_labels


class Nodes:
    """A cluster of some nodes, by their labels and kinds of GPU."""

    can_grow = True

    def __init__(self, *nodes: tuple[dict[str, str], str]) -> None:
        self._nodes = [
            Node(resources={"CPU": 8.0, "GPU": 8.0, f"accelerator_type:{kind}": 1.0}, labels=labels)
            for labels, kind in nodes
        ]

    def nodes(self) -> list[Node]:
        return self._nodes


_HEAD = ({"palo-role": "head"}, "")
_TRAIN = ({"palo-role": "train"}, "A100")
_SERVE = ({"palo-role": "serve"}, "A10G")


@pytest.mark.parametrize("nodes", [[_HEAD], [_HEAD, _SERVE], [_TRAIN]])
def test_a_cluster_with_a_labelled_node_has_roles(nodes: list[tuple[dict[str, str], str]]) -> None:
    assert role_labels("train", Nodes(*nodes)) == {"palo-role": "train"}


@pytest.mark.parametrize("nodes", [[], [({}, "A100")], [({"zone": "a"}, "A100")]])
def test_a_cluster_without_labels_has_none(nodes: list[tuple[dict[str, str], str]]) -> None:
    assert role_labels("data", Nodes(*nodes)) == {}


def test_what_computes_without_gpus_is_work_on_data() -> None:
    assert (compute_role(0.0), compute_role(0.5)) == ("data", "train")


def test_the_kind_of_gpu_is_chosen_among_nodes_of_the_role() -> None:
    """Regression: a serve node's kind was chosen, of which no training node has any."""
    cluster = Nodes(_HEAD, _TRAIN, _SERVE)
    kinds = ("A10G", "A100")
    assert choose_kind(kinds, cluster, 8) == "A10G"
    labels = role_labels("train", cluster)
    assert choose_kind(kinds, cluster, 8, node_labels=labels) == "A100"
