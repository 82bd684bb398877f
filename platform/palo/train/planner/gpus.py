"""Kinds of GPUs: memory, speed, links and price.

Memory and links are the makers' data sheets: bytes a second between the GPUs of a node in one
direction, and of the node's network; so are the operations a second in TF32, dense. Prices are
those of `gpu_prices.toml`, which says of when and whose they are.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from palo.train.peak_rates import peak_flops

USUAL = "a100-80"
"""The kind that is assumed where none is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuKind:
    """One kind of GPU, in nodes of eight.

    Attributes:
        name: Its name here.
        memory_gib: Memory in GiB.
        bf16: Operations a second in bfloat16, dense.
        tf32: Operations a second in TF32, dense.
        node_bytes: Bytes a second that a GPU receives from the others of its node.
        network_bytes: Bytes a second that a node receives from others.
    """

    name: str
    memory_gib: float
    bf16: float
    tf32: float
    node_bytes: float
    network_bytes: float

    @property
    def price(self) -> float | None:
        """US dollars a GPU-hour; None where no list price is known."""
        return list_prices().dollars.get(self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListPrices:
    """List prices of GPUs.

    Attributes:
        date: Of when they are.
        source: Whose they are.
        dollars: US dollars a GPU-hour, by kind.
    """

    date: str
    source: str
    dollars: Mapping[str, float]


@cache
def list_prices() -> ListPrices:
    """Reads the list prices that come with the package."""
    values = tomllib.loads((Path(__file__).parent / "gpu_prices.toml").read_text("utf-8"))
    return ListPrices(date=values["date"], source=values["source"], dollars=values["price"])


def _rate(device: str) -> float:
    rate = peak_flops(device)
    assert rate is not None, device
    return rate


_KINDS = (
    GpuKind(name="a100-40", memory_gib=40, bf16=_rate("A100"), tf32=156e12, node_bytes=300e9,
            network_bytes=50e9),
    GpuKind(name="a100-80", memory_gib=80, bf16=_rate("A100"), tf32=156e12, node_bytes=300e9,
            network_bytes=50e9),
    GpuKind(name="h100", memory_gib=80, bf16=_rate("H100"), tf32=494e12, node_bytes=450e9,
            network_bytes=400e9),
    GpuKind(name="h200", memory_gib=141, bf16=_rate("H200"), tf32=494e12, node_bytes=450e9,
            network_bytes=400e9),
    GpuKind(name="b200", memory_gib=180, bf16=_rate("B200"), tf32=1125e12, node_bytes=900e9,
            network_bytes=400e9),
    GpuKind(name="l40s", memory_gib=48, bf16=_rate("L40S"), tf32=183e12, node_bytes=32e9,
            network_bytes=50e9),
    GpuKind(name="a6000", memory_gib=48, bf16=_rate("RTX A6000"), tf32=77e12, node_bytes=56e9,
            network_bytes=12.5e9),
    GpuKind(name="a10g", memory_gib=24, bf16=_rate("A10G"), tf32=35e12, node_bytes=32e9,
            network_bytes=12.5e9),
    GpuKind(name="rtx4090", memory_gib=24, bf16=_rate("RTX 4090"), tf32=83e12, node_bytes=32e9,
            network_bytes=12.5e9),
)  # fmt: skip

GPUS: Mapping[str, GpuKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
