"""Rows of ids of different length in one rectangle."""

from collections.abc import Sequence

import torch
from torch import Tensor


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Fills rows on the right up to the length of the longest.

    Padding is told by its place alone: its id may be that of a real token.

    Args:
        rows: B rows of token ids.

    Returns:
        (B, L) int64 ids, and (B, L) int64 mask with 1 for tokens and 0 for padding.
    """
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask
