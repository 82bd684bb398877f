"""Driver, GPUs and PyTorch's build are compared without loading PyTorch."""

import pytest

from palo.doctor.gpu_checks import compare_driver, torch_cuda


@pytest.mark.parametrize(
    ("gpus", "cuda", "level", "told"),
    [
        ([], "", "ok", "none"),
        ([], "13.0", "ok", "none; PyTorch was built with CUDA 13.0"),
        (["NVIDIA H200, 580.95.05"], "13.0", "ok", "1 x NVIDIA H200, driver 580.95.05, CUDA 13.0"),
        (["A100, 580.65.06"] * 8, "13.0", "ok", "8 x A100"),
        (["A100, 580.65.05"], "13.0", "fault", "too old for PyTorch's CUDA 13.0"),
        (["A100, 535.183.01"], "12.8", "ok", "CUDA 12.8"),
        (["A100, 470.57.02"], "12.8", "fault", "too old"),
        (["A100, 580.65.06"], "", "fault", "PyTorch's build for CPUs"),
        (["A100, 999.1"], "99.0", "warning", "unknown here"),
        (["A100, 580.65.06"], None, "warning", "isn't installed"),
    ],
)
def test_driver_and_build_are_compared(
    gpus: list[str], cuda: str | None, level: str, told: str
) -> None:
    (found,) = compare_driver(gpus, cuda)
    assert (found.level, told in found.text) == (level, True)


def test_an_old_driver_says_which_is_needed() -> None:
    (found,) = compare_driver(["A100, 535.1"], "13.0")
    assert "580.65.06" in found.fix


def test_the_build_is_that_of_the_installed_torch() -> None:
    import torch

    assert torch_cuda() == (torch.version.cuda or "")
