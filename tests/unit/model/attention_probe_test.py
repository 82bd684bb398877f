import pytest
import torch
from transformers import AttentionInterface, AttentionMaskInterface

from palo.errors import ConfigError
from palo.model import attention, attention_probe
from palo.model.attention_probe import probe

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["palo_segments", "palo_varlen"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("windowed", [False, True])
def test_our_own_attention_runs_on_a_cpu(name, dtype, windowed):
    probe(name, dtype, CPU, 16, windowed=windowed)


def test_an_attention_that_forgets_the_window_is_found_out(monkeypatch):
    def whole(*args, sliding_window=None, **kwargs):
        return attention.segments_attention(*args, **kwargs)

    AttentionInterface.register("palo_whole", whole)
    AttentionMaskInterface.register("palo_whole", attention.segments_mask)
    monkeypatch.setattr(
        attention_probe, "packing_arguments", lambda ends, *_: {"cu_seq_lens_q": ends}
    )
    probe("palo_whole", torch.float32, CPU, 16)
    with pytest.raises(ConfigError, match="computes something else here"):
        probe("palo_whole", torch.float32, CPU, 16, windowed=True)


@pytest.mark.parametrize("name", ["flash_attention_2", "sdpa", "no_such_attention"])
def test_what_does_not_run_is_told_before_weights_are_loaded(name):
    with pytest.raises(ConfigError, match=f"attention {name} doesn't run here") as caught:
        probe(name, torch.float32, CPU, 16)
    assert "palo_segments" in caught.value.fix
