"""A part of a corpus as if it were one, and the choice of the rows that training holds out."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from palo.data.corpus_reader import Corpus, open_samples
from palo.data.samples import Sample

# A line of parallel text and the ways in which it is translated; see palo.corpus.parallel.
_DIRECTION = r"^(parallel[^/]*/.*)/[a-z]+-[a-z]+@\d+$"
_NAMES = pa.schema([("image_id", pa.string()), ("record_id", pa.string())])


class CorpusPart:
    """Some samples of a corpus, numbered from 0.

    Args:
        corpus: The corpus.
        indices: (samples,) numbers of its samples, ascending.

    Attributes:
        manifest: Manifest of the whole corpus.
        images: As of `Corpus`, and so are `lengths`, `num_targets`, `has_image` and `languages`.
    """

    def __init__(self, corpus: Corpus, indices: npt.NDArray[np.int64]) -> None:
        self._corpus = corpus
        self._indices = indices
        self.manifest = corpus.manifest
        self.images = corpus.images
        self.lengths = corpus.lengths[indices]
        self.num_targets = corpus.num_targets[indices]
        self.has_image = corpus.has_image[indices]
        self.languages = corpus.languages[indices]

    def __len__(self) -> int:
        return len(self._indices)

    def in_languages(self, codes: Sequence[str] | None) -> "CorpusPart | None":
        """Returns the samples in some languages; None without any.

        Args:
            codes: ISO 639-1 codes; None for all languages.
        """
        if codes is None:
            return self
        indices = self._indices[np.isin(self.languages, codes)]
        return CorpusPart(self._corpus, indices) if len(indices) else None

    def read(self, indices: Iterable[int]) -> list[Sample]:
        """Reads samples by their number in this part.

        Args:
            indices: Their numbers.
        """
        return self._corpus.read(self._whole(indices))

    def fetch(self, indices: Iterable[int]) -> None:
        """Reads ahead what samples lie in, as `Corpus.fetch` does.

        Args:
            indices: Their numbers in this part.
        """
        self._corpus.fetch(self._whole(indices))

    def _whole(self, indices: Iterable[int]) -> list[int]:
        """Returns the numbers of samples in the whole corpus."""
        return [int(self._indices[index]) for index in indices]


def split_held_out(
    corpus: Corpus, rows_per_language: int, most_share: float
) -> tuple[Corpus | CorpusPart, CorpusPart | None]:
    """Divides a corpus into the samples to train on and those that are held out.

    The choice depends on the samples alone, so that every worker and every resumption makes it
    again, and a corpus that grows keeps most of it.

    Args:
        corpus: The corpus.
        rows_per_language: Least samples to hold out of each language; 0 for none.
        most_share: No language gives a larger share of its samples than this.

    Returns:
        The samples to train on, and the others; the whole corpus and None where none are chosen.
    """
    if rows_per_language == 0:
        return corpus, None
    groups = _groups(corpus)
    chosen = choose_held_out(groups, corpus.languages, rows_per_language, most_share)
    if not chosen.any():
        return corpus, None
    return (
        CorpusPart(corpus, np.flatnonzero(~chosen)),
        CorpusPart(corpus, np.flatnonzero(chosen)),
    )


def _groups(corpus: Corpus) -> pa.DictionaryArray:
    """Returns what each sample must stay together with: its image, or its record without one.

    Translations of one line of parallel text, and back, stay together as well.
    """
    chunks: list[pa.Array] = []
    for file in open_samples(corpus.folder, tuple(corpus.manifest.files)):
        table = file.read(columns=["image_id", "record_id"]).cast(_NAMES)
        records = pc.replace_substring_regex(table.column("record_id"), _DIRECTION, r"\1")
        names = pc.coalesce(table.column("image_id"), records)
        chunks += names.chunks
    return pa.chunked_array(chunks, pa.string()).combine_chunks().dictionary_encode()


def choose_held_out(
    groups: pa.DictionaryArray,
    languages: npt.NDArray[np.str_],
    rows_per_language: int,
    most_share: float,
) -> npt.NDArray[np.bool_]:
    """Chooses groups of samples, in the order of a hash, until every language has enough.

    Args:
        groups: (samples,) name of each sample's group.
        languages: (samples,) code of each sample's language.
        rows_per_language: Least samples of each language, as far as `most_share` allows.
        most_share: No language gives a larger share of its samples than this.

    Returns:
        (samples,) whether it is chosen.
    """
    codes, members = np.unique(languages, return_inverse=True)
    most = np.floor(np.bincount(members, minlength=len(codes)) * most_share).astype(np.int64)
    wanted = np.minimum(most, rows_per_language)
    places = _hash_order(groups)[groups.indices.to_numpy()]
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    counts = np.zeros(len(codes), np.int64)
    chosen = np.zeros(len(languages), np.bool_)
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        if (counts >= wanted).all():
            break
        rows = order[start:end]
        own = np.bincount(members[rows], minlength=len(codes))
        helps = ((own > 0) & (counts < wanted)).any()
        if helps and (counts + own <= most).all():
            chosen[rows] = True
            counts += own
    return chosen


def _hash_order(groups: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    """Returns the place of each distinct group in the order of a hash of its name."""
    digests = [hashlib.sha256(name.encode()).digest() for name in groups.dictionary.to_pylist()]
    hashes = np.array([int.from_bytes(digest[:8], "big") for digest in digests], np.uint64)
    places = np.empty(len(hashes), np.int64)
    places[np.argsort(hashes, kind="stable")] = np.arange(len(hashes))
    return places
