"""The contents of a row to show, in a terminal or on a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from palo import storage
from palo.data.manifest import Manifest
from palo.data.samples import Sample
from palo.errors import MismatchError, StorageError
from palo.text.preview import Stretch, stretches
from palo.text.tokenizer import TextTokenizer, load_tokenizer

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


class ShownSample(NamedTuple):
    """A sample as the model sees it.

    Attributes:
        sample: The sample.
        parts: Its words, read or trained.
        image: Where its image's file lay when the corpus was built, if it has one.
    """

    sample: Sample
    parts: tuple[Stretch, ...]
    image: str | None


def shown(sample: Sample, tokenizer: TextTokenizer, image: str | None) -> ShownSample:
    """Returns the contents of a sample to show.

    Args:
        sample: The sample.
        tokenizer: The corpus's tokenizer.
        image: Path of its image when the corpus was built; None without one.
    """
    parts = stretches(sample.input_ids.tolist(), sample.label_spans.tolist(), tokenizer)
    return ShownSample(sample, tuple(parts), image)


def turns_of(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the roles and texts of a row that may be malformed.

    Args:
        row: The row's fields.
    """
    conversations = row.get("conversations")
    if not isinstance(conversations, Sequence) or isinstance(conversations, str):
        return []
    turns = [turn for turn in conversations if isinstance(turn, Mapping)]
    return [
        (_ROLES.get(str(turn.get("from")), str(turn.get("from"))), str(turn.get("value")))
        for turn in turns
    ]


def tokenizer_of(corpus: Path, manifest: Manifest, folder: Path | None = None) -> TextTokenizer:
    """Loads the tokenizer that a corpus was made with.

    Args:
        corpus: Folder of the corpus.
        manifest: Its manifest.
        folder: Where the tokenizer is now; None looks where it was.

    Raises:
        MismatchError: If there is another tokenizer by now.
        StorageError: If there is none.
    """
    path = folder or storage.path_of(manifest.tokenizer)
    try:
        tokenizer = load_tokenizer(path)
    except StorageError as error:
        if folder is not None:
            raise
        raise StorageError(
            f"the tokenizer of {corpus} can't be read where it was",
            seen=error.seen,
            fix="If it was moved, name its folder: --tokenizer FOLDER.",
        ) from error
    if tokenizer.fingerprint != manifest.tokenizer_fingerprint:
        raise MismatchError(
            f"{corpus} was made with another tokenizer",
            seen=f"{manifest.tokenizer_fingerprint}, {path} has {tokenizer.fingerprint}",
            fix="Name the folder of the corpus's own: --tokenizer.",
        )
    return tokenizer
