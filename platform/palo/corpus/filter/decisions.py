"""Filter decisions: whether each record of a build is kept, or which stage drops it, and why.

The driver decides over all records at once, from the index of records and the table of images, and
writes the decisions beside the files of records; the encode stage follows them.

    <corpus>/decisions/<source>/<row offset>.parquet   DECISION_SCHEMA, a row for each record
"""

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.corpus.filter.mixture import MixtureSettings, choose, may_be_chosen
from palo.corpus.images_step.image_table import states_of
from palo.corpus.parse.record_files import RecordIndex
from palo.reasons import Reason

DECISION_SCHEMA = pa.schema(
    [
        pa.field("stage", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("image_id", pa.string()),
    ]
)
"""The stage that drops the record, why, and what was seen; the image of a record that is kept."""

Pairs = npt.NDArray[np.int64]
"""(pairs, 2) rows: one that is dropped, and the earlier one that it repeats."""


class FilterDecision(IntEnum):
    """The stage that drops a record, if any."""

    KEEP = 0
    IMAGE = 1
    DUPLICATE = 2
    NEAR_DUPLICATE = 3
    MIXTURE = 4


# By decision; what an image's reason is depends on the image.
_STAGES = pa.array([None, "image", "duplicate", "near_duplicate", "mixture"])
_REASONS = pa.array(
    [
        None,
        None,
        Reason.DUPLICATE.value,
        Reason.NEAR_DUPLICATE.value,
        Reason.NOT_CHOSEN.value,
    ]
)


class FilterDecisions:
    """Decides stage by stage, in the order of the stages, over all records at once.

    Args:
        index: The records.
        images: The table of their images.
        names: Names of the sources.
        mixture: Which records are wanted.

    Attributes:
        decisions: (records,) uint8 `FilterDecision` of each record so far.
    """

    def __init__(
        self,
        index: RecordIndex,
        images: pa.Table,
        names: Sequence[str],
        mixture: MixtureSettings,
    ) -> None:
        self.decisions = np.zeros(len(index), np.uint8)
        self._index = index
        self._names = names
        self._mixture = mixture
        self._states = states_of(images, index.paths)
        self._first = np.full(len(index), -1, np.int64)
        self._digests = index.digests.copy()
        shown = index.image_numbers >= 0
        self._digests[shown] ^= self._states.ids[index.image_numbers[shown]]
        # The image of an unwanted record was not looked at: the mixture drops the record.
        wanted = may_be_chosen(mixture, index.codes, index.languages, shown)
        bad = np.append(self._states.is_bad, False)[index.image_numbers]
        self.decisions[bad & wanted] = FilterDecision.IMAGE
        self._wanted = wanted

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """Indices of the records that are wanted and not dropped so far."""
        return np.flatnonzero((self.decisions == FilterDecision.KEEP) & self._wanted)

    def drop_duplicates(self) -> None:
        """Drops records with the same text and image as an earlier record."""
        rows = np.flatnonzero(self.decisions == FilterDecision.KEEP)
        self._drop_repeated(later_and_first(self._digests, rows), FilterDecision.DUPLICATE)

    def drop_near_duplicates(self, pairs: Pairs) -> None:
        """Drops records that are nearly the same as an earlier one.

        Args:
            pairs: The records to drop, each with the earlier one.
        """
        self._drop_repeated(pairs, FilterDecision.NEAR_DUPLICATE)

    def _drop_repeated(self, pairs: Pairs, decision: FilterDecision) -> None:
        self._first[pairs[:, 0]] = pairs[:, 1]
        self.decisions[pairs[:, 0]] = decision

    def drop_unchosen(self) -> None:
        """Drops the records that the mixture doesn't take."""
        rows = np.flatnonzero(self.decisions == FilterDecision.KEEP)
        chosen = choose(
            self._mixture,
            digests=self._digests[rows],
            sources=self._index.sources[rows],
            names=self._names,
            numbers=self._index.languages[rows],
            codes=self._index.codes,
            has_image=self._index.image_numbers[rows] >= 0,
        )
        self.decisions[rows[~chosen]] = FilterDecision.MIXTURE

    def scopes(self) -> npt.NDArray[np.uint64]:
        """Returns (records,) a number of each record's language and image: equal if both are."""
        ids = np.append(self._states.ids[:, 0], np.uint64(0))[self._index.image_numbers]
        return ids + self._index.languages.astype(np.uint64)

    def table(self, number: int) -> pa.Table:
        """Returns the decisions on the records of a file, as DECISION_SCHEMA has them.

        Args:
            number: Index of the file.
        """
        rows = self._index.rows_of(number)
        decisions, numbers = self.decisions[rows], self._index.image_numbers[rows]
        image = pa.array(numbers, mask=numbers < 0)
        is_bad = pa.array(decisions == FilterDecision.IMAGE)
        is_kept = pa.array(decisions == FilterDecision.KEEP)
        none = pa.scalar(None, pa.string())
        taken = pa.array(decisions)
        return pa.table(
            [
                _STAGES.take(taken),
                pc.if_else(is_bad, self._states.reasons.take(image), _REASONS.take(taken)),
                pc.if_else(is_bad, self._states.details.take(image), self._repeated(rows)),
                pc.if_else(is_kept, self._states.image_ids.take(image), none),
            ],
            schema=DECISION_SCHEMA,
        )

    def _repeated(self, rows: slice) -> pa.Array:
        """Returns which earlier record each row repeats, in words; "" if none."""
        first = self._first[rows]
        details = np.full(len(first), "", object)
        for row in np.flatnonzero(first >= 0).tolist():
            source = self._names[self._index.sources[first[row]]]
            details[row] = f"of {source}@{self._index.row_offsets[first[row]]}"
        return pa.array(details, pa.string())

    def digest(self, number: int) -> str:
        """Returns what names the decisions on the records of a file, and their images.

        Args:
            number: Index of the file.
        """
        rows = self._index.rows_of(number)
        decisions, numbers = self.decisions[rows], self._index.image_numbers[rows]
        seen = (decisions <= FilterDecision.IMAGE) & (numbers >= 0)
        digest = hashlib.blake2b(decisions.tobytes(), digest_size=16)
        digest.update(self._states.digests[numbers[seen]].tobytes())
        digest.update("\n".join(self._repeated(rows).to_pylist()).encode())
        return digest.hexdigest()


def decisions_name(records: str) -> str:
    """Returns the file of decisions on a file of records.

    Args:
        records: The file of records, as a path in the corpus.
    """
    return records.replace("records/", "decisions/", 1)


def read_decisions(corpus: Path, records: str) -> pa.Table:
    """Reads the decisions on a file of records.

    Args:
        corpus: Folder of the corpus.
        records: The file of records, as a path in the corpus.

    Returns:
        A table of DECISION_SCHEMA with a row for each record.

    Raises:
        StorageError: If it can't be read.
    """
    return storage.read_table(corpus / decisions_name(records), schema=DECISION_SCHEMA)


def later_and_first(digests: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64]) -> Pairs:
    """Returns the rows, in order, that an earlier row equals, each with the first such row.

    Args:
        digests: (rows, 2) a digest of each record; equal records have equal digests.
        rows: Indices of the rows to compare, ascending.
    """
    own = digests[rows]
    order = np.lexsort((own[:, 1], own[:, 0]))  # stable: equal rows stay in their order
    ordered = own[order]
    starts = np.ones(len(order), bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    firsts = order[starts][np.cumsum(starts) - 1] if len(order) else order
    pairs = np.stack([rows[order[~starts]], rows[firsts[~starts]]], axis=1)
    return pairs[np.argsort(pairs[:, 0])]


def used_images(
    index: RecordIndex, mixture: MixtureSettings
) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Returns the images of records that may be chosen.

    Args:
        index: The records.
        mixture: Which of them are wanted.

    Returns:
        Paths of the images, and (images,) how many records use each.
    """
    shown = index.image_numbers >= 0
    rows = may_be_chosen(mixture, index.codes, index.languages, shown) & shown
    counts = np.bincount(index.image_numbers[rows], minlength=len(index.paths))
    used = np.flatnonzero(counts)
    return index.paths.take(pa.array(used)), counts[used]
