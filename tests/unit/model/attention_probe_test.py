import pytest
import torch

from palo.errors import ConfigError
from palo.model.attention_probe import probe

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["palo_segments", "palo_varlen"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_our_own_attention_runs_on_a_cpu(name, dtype):
    probe(name, dtype, CPU, 16)


@pytest.mark.parametrize("name", ["flash_attention_2", "sdpa", "no_such_attention"])
def test_what_does_not_run_is_told_before_weights_are_loaded(name):
    with pytest.raises(ConfigError, match=f"attention {name} doesn't run here") as caught:
        probe(name, torch.float32, CPU, 16)
    assert "palo_segments" in caught.value.fix
