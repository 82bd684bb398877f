import pytest

from palo.train.peak_rates import peak_flops


@pytest.mark.parametrize(
    ("device", "tflops"),
    [
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA A10G", 70.0),
        ("NVIDIA A10", 125.0),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H200", 989.4),
        ("NVIDIA H200 NVL", 835.5),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA RTX 6000 Ada Generation", 364.2),
        ("AMD Instinct MI300X", 1307.4),
    ],
)
def test_a_gpu_is_known_by_what_cuda_calls_it(device, tflops):
    assert peak_flops(device) == tflops * 1e12


@pytest.mark.parametrize("device", ["Tesla T4", "cpu", "", "NVIDIA A1000 Laptop GPU"])
def test_of_other_devices_nothing_is_claimed(device):
    assert peak_flops(device) is None
