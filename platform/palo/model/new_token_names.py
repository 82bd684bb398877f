"""Names of the rows of new tokens: in a configuration, in a model, and in an adapter's file."""

from collections.abc import Mapping
from pathlib import Path

from palo import storage
from palo.errors import MismatchError

FIRST_NEW_ID = "first_new_id"
"""Field of a language model's config.json: the first id that was added to its vocabulary."""

NEW_ROWS = "new_rows"
"""Parameter of a table, embedding or output head, that holds its rows of new tokens."""

_PEFT_NAME = ".token_adapter.trainable_tokens_delta"


def first_new_id(language_model: Path) -> int | None:
    """Returns the first id that was added to a language model; None where none was.

    Args:
        language_model: Its folder.
    """
    found = storage.read_json(language_model / "config.json").get(FIRST_NEW_ID)
    return found if isinstance(found, int) else None


def is_new_rows(name: str) -> bool:
    """Returns whether a parameter holds rows of new tokens.

    Args:
        name: Its name in a model.
    """
    return name.endswith(f".{NEW_ROWS}")


def adapter_name(parameter: str) -> str:
    """Returns how PEFT's file of an adapter names rows of new tokens, but for its own prefix.

    Args:
        parameter: Name of the parameter in a model.
    """
    return parameter.removesuffix(f".{NEW_ROWS}") + _PEFT_NAME


def table_of(tensor: str) -> str | None:
    """Returns the table whose rows a tensor of an adapter's file holds; None for other tensors.

    Args:
        tensor: Its name there, without PEFT's prefix.
    """
    return tensor.removesuffix(_PEFT_NAME) if tensor.endswith(_PEFT_NAME) else None


def trained_tokens(num_rows: Mapping[str, int], first: int | None) -> dict[str, list[int]] | None:
    """Returns PEFT's setting `trainable_token_indices`; None where no rows of new tokens learned.

    Args:
        num_rows: Rows by name of their parameter.
        first: The first id that was added.

    Raises:
        MismatchError: If rows of new tokens learned, and none was added.
    """
    if not num_rows:
        return None
    if first is None:
        raise MismatchError(
            "the language model that was trained has no new tokens any more",
            seen=", ".join(num_rows),
            fix="Put back the language model that the training began with.",
        )
    return {
        name.removesuffix(f".{NEW_ROWS}").rpartition(".")[2]: list(range(first, first + count))
        for name, count in num_rows.items()
    }
