import pytest

from palo.capacity import Node
from palo.config import check
from palo.errors import ConfigError, ResourceError
from palo.recipes import RECIPES
from palo.train.stages import WorkerSettings
from palo.train.worker_resources import await_workers, scaling_config, worker_share


class StillCluster:
    """A private Ray of some nodes."""

    can_grow = False

    def __init__(self, *nodes):
        self._nodes = nodes

    def nodes(self):
        return self._nodes


P4D = Node(
    resources={"CPU": 96.0, "GPU": 8.0, "accelerator_type:A100": 1.0}, labels={"palo-role": "train"}
)


def test_ray_train_is_told_the_kind_of_gpu_and_the_labels_of_its_nodes():
    workers = WorkerSettings(
        count=8,
        use_gpu=True,
        cpus=8.0,
        gpu_kinds=("H100", "A100"),
        node_labels={"palo-role": "train"},
    )
    told = scaling_config(await_workers(workers, print, StillCluster(P4D)))
    assert told.accelerator_type == "A100"
    assert told.label_selector == {"palo-role": "train"}
    assert told._resources_per_worker_not_none == {
        "CPU": 8.0,
        "GPU": 1.0,
        "accelerator_type:A100": 0.001,
    }


def test_workers_on_cpus_need_no_kind():
    node = Node(resources={"CPU": 8.0})
    told = scaling_config(await_workers(WorkerSettings(), print, StillCluster(node)))
    assert told.accelerator_type is None
    assert told.label_selector is None
    assert told._resources_per_worker_not_none == {"CPU": 1.0}


def test_workers_get_nodes_of_their_role_where_nodes_have_roles():
    """Regression: the role of nodes was decoration, and any node with a GPU of the kind taken."""
    gpu = WorkerSettings(count=8, use_gpu=True, cpus=8.0)
    assert worker_share(gpu, StillCluster(P4D)).node_labels == {"palo-role": "train"}
    assert worker_share(WorkerSettings(), StillCluster(P4D)).node_labels == {"palo-role": "data"}
    other = WorkerSettings(count=8, use_gpu=True, node_labels={"zone": "a"})
    assert worker_share(other, StillCluster(P4D)).node_labels == {"zone": "a"}


def test_a_machine_with_another_kind_is_told_which_setting_names_it():
    workers = WorkerSettings(count=1, use_gpu=True, gpu_kinds=("A100",))
    other = Node(resources={"CPU": 8.0, "GPU": 1.0, "accelerator_type:L4": 1.0})
    with pytest.raises(ResourceError) as caught:
        await_workers(workers, print, StillCluster(other))
    assert "1 GPU (L4)" in caught.value.seen
    assert "gpu_kinds" in caught.value.fix


def test_kinds_without_gpus_contradict_themselves():
    with pytest.raises(ConfigError, match="use_gpu is off"):
        check(WorkerSettings(gpu_kinds=("A100",)))


def test_the_papers_recipes_never_train_on_the_gpus_of_the_serving_nodes():
    workers = RECIPES["7b"]().finetune.workers
    a10g = Node(resources={"CPU": 64.0, "GPU": 8.0, "accelerator_type:A10G": 1.0})
    assert a10g.holds(worker_share(workers, StillCluster(a10g))) == 0
    assert P4D.holds(worker_share(workers, StillCluster(a10g, P4D))) == 8
