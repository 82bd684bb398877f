"""Peak rates of GPUs: dense bfloat16 matrix products with float32 sums, as their makers state them.

Makers often print the rate for matrices that are half zeros ("with sparsity"), which is twice as
high; these are the dense ones.
"""

_TERA = 1e12
# A part of the device's name as CUDA or ROCm tells it -> TFLOP/s. Of several parts that fit, the
# longest counts. Sources: NVIDIA's data sheets and white papers of each GPU (A100, A800, A30, A40,
# A10, L4, L40, L40S, H100, H200, H20, B200; GA102 and Ada architecture for the GeForce and RTX
# cards), AWS's page of G5 instances for the A10G, AMD's data sheets of Instinct MI210 to MI325X.
_TFLOPS = {
    "A100": 312.0,
    "A800": 312.0,
    "A30": 165.0,
    "A40": 149.7,
    "A10": 125.0,
    "A10G": 70.0,
    "RTX A6000": 154.8,
    "RTX 6000 Ada": 364.2,
    "RTX 3090": 71.0,
    "RTX 4090": 165.2,
    "L4": 121.0,
    "L40": 181.0,
    "L40S": 362.0,
    "H100 PCIe": 756.5,
    "H100 NVL": 835.5,
    "H100": 989.4,
    "H800": 989.4,
    "H200": 989.4,
    "H200 NVL": 835.5,
    "GH200": 989.4,
    "H20": 148.0,
    "B200": 2250.0,
    "MI210": 181.0,
    "MI300X": 1307.4,
    "MI325X": 1307.4,
}


def peak_flops(device: str) -> float | None:
    """Returns the dense bfloat16 operations a second of a GPU; None where they aren't known.

    Args:
        device: Its name, such as "NVIDIA A100-SXM4-80GB".
    """
    words = device.replace("-", " ").split()
    fitting = [kind for kind in _TFLOPS if _holds(words, kind.split())]
    return _TFLOPS[max(fitting, key=len)] * _TERA if fitting else None


def _holds(words: list[str], part: list[str]) -> bool:
    starts = range(len(words) - len(part) + 1)
    return any(words[start : start + len(part)] == part for start in starts)
