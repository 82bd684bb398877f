from dataclasses import replace

import pytest

from palo.capacity import Node
from palo.config import check
from palo.corpus.images_step.encoder_actors import encoder_options, encoder_share
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.errors import ConfigError
from palo.recipes import RECIPES


class StillCluster:
    can_grow = False

    def __init__(self, *nodes):
        self._nodes = nodes

    def nodes(self):
        return self._nodes


A10G = Node(resources={"CPU": 8.0, "GPU": 1.0, "accelerator_type:A10G": 1.0})
A100 = Node(resources={"CPU": 96.0, "GPU": 8.0, "accelerator_type:A100": 1.0})


def test_ray_data_is_told_number_kind_and_labels_of_the_encoders():
    settings = EncoderSettings(
        count=4, gpus=0.5, gpu_kinds=("L4", "A10G"), node_labels={"palo-role": "serve"}
    )
    serve = replace(A10G, labels={"palo-role": "serve"})
    options = encoder_options(encoder_share(settings, StillCluster(A10G, serve)))
    assert options["num_gpus"] == 0.5
    assert options["accelerator_type"] == "A10G"
    assert options["label_selector"] == {"palo-role": "serve"}
    assert options["compute"].min_size == options["compute"].max_size == 4


def test_encoders_and_decoders_fit_on_a_machine_whose_every_cpu_has_an_encoder():
    share = encoder_share(EncoderSettings(count=2), StillCluster())
    assert share.count * share.cpus + 0.5 <= 2
    assert encoder_share(EncoderSettings(threads=8), StillCluster()).cpus > 7


def test_the_papers_images_are_encoded_on_eight_gpus():
    """Regression: one process with one thread and no GPU would have taken weeks."""
    share = encoder_share(RECIPES["7b"]().data.encoders, StillCluster(A10G, A100))
    assert (share.count, share.gpus, share.gpu_kind) == (8, 1.0, "A100")
    assert A100.holds(share) == 8


@pytest.mark.parametrize(
    ("wrong", "clause"),
    [
        (EncoderSettings(count=0), "count"),
        (EncoderSettings(gpus=1.5), "share of a GPU"),
        (EncoderSettings(gpu_kinds=("A100",)), "gpus is 0"),
        (EncoderSettings(dtype="tf32"), "GPUs only"),
        (EncoderSettings(batch=0), "batch"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong, clause):
    with pytest.raises(ConfigError, match=clause):
        check(wrong)
