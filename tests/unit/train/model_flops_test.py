import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from palo.data.corpus_reader import open_corpus
from palo.data.loader import Collator
from palo.train.loop import token_losses
from palo.train.model_flops import ModelFlops, count_flops
from palo.train.worker import build_model


def test_a_step_costs_what_the_convention_says():
    flops = ModelFlops(
        num_decoder=100, num_head=10, num_lora=7, factor=4, num_layers=2, attention_width=8
    )
    cost = flops.of_step(num_tokens=50, num_target_tokens=20, squared_lengths=1300.0)
    assert cost == 50 * (4 * 100 + 6 * 7) + 20 * 4 * 10 + 6 * 2 * 8 * 1300


@pytest.mark.parametrize("trains", ["lora", "full"])
def test_torch_counts_the_same_matrix_products(make_job, trains):
    job = make_job(trains=trains, **({"lora": None} if trains == "full" else {}))
    model = build_model(job.parts, job.config, None)
    corpus = open_corpus(job.corpus)
    batch = Collator(corpus.images, model.config.tokens_per_image).collate(corpus.read([7]))
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        token_losses(model, batch).sum().backward()
    counts = counter.get_flop_counts()
    products = [ops for name, ops in counts.items() if name.endswith(".projector")]
    projector = sum(count for ops in products for count in ops.values())
    attention = sum(count for op, count in counts["Global"].items() if op == torch.ops.aten.bmm)
    num_tokens = batch.input_ids.shape[1]

    def own(squared_lengths):
        return count_flops(model, trains).of_step(
            num_tokens=num_tokens,
            num_target_tokens=len(batch.targets),
            squared_lengths=squared_lengths,
        )

    assert own(0.0) == counter.get_total_flops() - projector - attention
    # Torch multiplies the half that the causal mask hides, too.
    assert own(float(num_tokens**2)) - own(0.0) == attention / 2


def test_scattered_weights_count_in_full(make_job):
    model = build_model(make_job().parts, make_job().config, None)
    whole = count_flops(model, "lora")
    for parameter in model.parameters():
        parameter.ds_shape = parameter.shape
        parameter.data = torch.empty(0)
    assert count_flops(model, "lora") == whole
