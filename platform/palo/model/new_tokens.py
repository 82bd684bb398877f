"""Rows of embeddings and output head that learn while all other rows stay as they are.

They are parameters of their own, so that gradients, optimizer states, ZeRO-3 and checkpoints are
those of the new rows alone. The old tables are never copied, as PEFT's layer for the same purpose
does in each forward pass.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from palo.errors import MismatchError
from palo.model.loss_head import LossHead


class NewTokenEmbedding(nn.Embedding):
    """An embedding whose rows from `first_new` on are a parameter of their own.

    Attributes:
        first_new: The first id that was added (F).
        new_rows: (V - F, H) floats.
    """

    first_new: int
    new_rows: nn.Parameter

    def forward(self, input_ids: Tensor) -> Tensor:
        """Returns embeddings (..., H).

        Args:
            input_ids: (...) int64 ids.
        """
        places = input_ids - self.first_new
        # Also without a new token: under ZeRO-3 every rank must have a gradient for the rows.
        new = functional.embedding(places.clamp(min=0), self.new_rows)
        found: Tensor = torch.where((places >= 0).unsqueeze(-1), new, super().forward(input_ids))
        return found


class NewTokenHead(LossHead):
    """An output head whose rows from `first_new` on are a parameter of their own.

    Attributes:
        first_new: The first id that was added (F).
        new_rows: (V - F, H) floats.
    """

    first_new: int
    new_rows: nn.Parameter

    @property
    def rows(self) -> Tensor:
        """The whole weight, (V, H)."""
        return torch.cat([self.weight[: self.first_new], self.new_rows])

    def forward(self, hidden: Tensor, targets: Tensor | None = None) -> Tensor:
        """See LossHead.

        Args:
            hidden: (..., H) floats; (K, H) with targets.
            targets: (K,) int64 ids, or None.
        """
        if targets is not None:
            return self.loss(hidden, self.rows, targets)
        old = functional.linear(hidden, self.weight[: self.first_new])
        return torch.cat([old, functional.linear(hidden, self.new_rows)], dim=-1)


def give_new_rows(
    language_model: Any,  # noqa: ANN401 - a LlamaForCausalLM
    first: int,
    whole: Callable[[nn.Parameter], AbstractContextManager[object]] = lambda _: nullcontext(),
) -> None:
    """Makes the rows of new tokens parameters of their own, with the values that they have.

    Both modules stay the same objects. Where the output head is tied to the embedding, both have
    the same rows.

    Args:
        language_model: A LlamaForCausalLM.
        first: The first id that was added.
        whole: Gathers a weight that is split among workers.
    """
    table, head = language_model.model.embed_tokens, language_model.lm_head
    is_tied = head.weight is table.weight
    for module, kind in ((table, NewTokenEmbedding), (head, NewTokenHead)):
        module.__class__ = kind
        module.first_new = first
        if module is head and is_tied:
            module.new_rows = table.new_rows
            continue
        with whole(module.weight), torch.no_grad():
            rows = module.weight[first:].detach().clone()
        module.new_rows = nn.Parameter(rows)


@torch.no_grad()
def put_new_rows(model: nn.Module, rows: Mapping[str, Tensor], first: int) -> None:
    """Puts learned rows of new tokens into a model's own tables.

    Args:
        model: The model; it is changed in place.
        rows: (V - F, H) floats by the name of the table in the model.
        first: The first id that was added (F).

    Raises:
        MismatchError: If they don't fit.
    """
    for name, learned in rows.items():
        weight = model.get_parameter(f"{name}.weight")
        if weight[first:].shape != learned.shape:
            raise MismatchError(
                "the adapter's new tokens are not those of this language model",
                seen=f"{len(learned):,} rows of {name}, which has {len(weight[first:]):,}",
                fix="Use the language model that the adapter was trained on.",
            )
        weight[first:] = learned.to(weight)
