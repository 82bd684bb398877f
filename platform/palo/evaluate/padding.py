"""Rows of ids of different length in one rectangle."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor


def padded(rows: Sequence[Sequence[int]], side: Literal["left", "right"]) -> tuple[Tensor, Tensor]:
    """Fills rows up to the length of the longest.

    Padding is told by its place alone: its id may be that of a real token.

    Args:
        rows: B rows of token ids.
        side: Where the padding goes; left where the rows are to be continued.

    Returns:
        (B, L) int64 ids, and (B, L) int64 mask with 1 for tokens and 0 for padding.
    """
    length = max(map(len, rows))
    ids = torch.zeros(len(rows), length, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        start = length - len(row) if side == "left" else 0
        ids[number, start : start + len(row)] = torch.tensor(row)
        mask[number, start : start + len(row)] = 1
    return ids, mask
