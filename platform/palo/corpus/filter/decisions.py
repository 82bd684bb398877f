"""What becomes of each record before it is made samples: kept, or left out at which step."""

import base64
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from palo.corpus.images_step.image_table import states_of
from palo.corpus.mixture import MixtureSettings, choose, may_be_chosen
from palo.corpus.parse.duplicates import Pairs, later_and_first
from palo.corpus.parse.record_index import RecordIndex


class FilterDecision(IntEnum):
    """The step that leaves a record out, if any."""

    KEPT = 0
    IMAGE = 1
    DUPLICATE = 2
    NEAR_DUPLICATE = 3
    MIXTURE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatedRecord:
    """A record that an earlier one makes superfluous.

    Attributes:
        row: Its place in its file of records.
        source: Name of the earlier record's source.
        place: Where in that source it is, as `Piece.place_of` numbers it.
    """

    row: int
    source: str
    place: int


class FilterDecisions:
    """Decides step by step, in the order of the steps, over all records at once.

    Args:
        index: The records.
        images: The table of their images.
        names: Names of the sources.
        mixture: Which records are wanted.
    """

    def __init__(
        self,
        index: RecordIndex,
        images: pa.Table,
        names: Sequence[str],
        mixture: MixtureSettings,
    ) -> None:
        self.fates = np.zeros(len(index), np.uint8)
        self._index = index
        self._names = names
        self._mixture = mixture
        self._states = states_of(images, index.paths)
        self._first = np.full(len(index), -1, np.int64)
        self._digests = index.digests.copy()
        shown = index.image_numbers >= 0
        self._digests[shown] ^= self._states.ids[index.image_numbers[shown]]
        # An image that nobody may ask for was not looked at: its record goes with the mixture.
        wanted = may_be_chosen(mixture, index.codes, index.languages)
        bad = np.append(self._states.is_bad, False)[index.image_numbers]
        self._leave_out(np.flatnonzero(bad & wanted), FilterDecision.IMAGE)
        self._wanted = wanted

    def _leave_out(self, rows: npt.NDArray[np.int64], fate: FilterDecision) -> None:
        self.fates[rows] = fate

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """Numbers of the records that are wanted and not left out so far."""
        return np.flatnonzero((self.fates == FilterDecision.KEPT) & self._wanted)

    def drop_duplicates(self) -> None:
        """Leaves out what says and shows the same as an earlier record."""
        rows = np.flatnonzero(self.fates == FilterDecision.KEPT)
        self._repeat(later_and_first(self._digests, rows), FilterDecision.DUPLICATE)

    def drop_near_duplicates(self, pairs: Pairs) -> None:
        """Leaves out records that are nearly the same as an earlier one."""
        self._repeat(pairs, FilterDecision.NEAR_DUPLICATE)

    def _repeat(self, pairs: Pairs, fate: FilterDecision) -> None:
        self._first[pairs[:, 0]] = pairs[:, 1]
        self._leave_out(pairs[:, 0], fate)

    def drop_unchosen(self) -> None:
        """Leaves out what the mixture doesn't take."""
        rows = np.flatnonzero(self.fates == FilterDecision.KEPT)
        chosen = choose(
            self._mixture,
            digests=self._digests[rows],
            sources=self._index.sources[rows],
            names=self._names,
            numbers=self._index.languages[rows],
            codes=self._index.codes,
        )
        self._leave_out(rows[~chosen], FilterDecision.MIXTURE)

    def scopes(self) -> npt.NDArray[np.uint64]:
        """Returns a number for each record's language and image: equal where both are."""
        ids = np.append(self._states.ids[:, 0], np.uint64(0))[self._index.image_numbers]
        return ids + self._index.languages.astype(np.uint64)

    def packed(self, number: int) -> str:
        """Returns the fates of a file's records as text, for `unpack`; empty if all are kept."""
        fates = self.fates[self._index.rows_of(number)]
        return base64.b64encode(zlib.compress(fates.tobytes())).decode() if fates.any() else ""

    def repeated(self, number: int) -> tuple[RepeatedRecord, ...]:
        """Returns a file's records that are repetitions, each with the first one."""
        rows = self._index.rows_of(number)
        own = np.flatnonzero(self._first[rows] >= 0)
        firsts = self._first[rows][own]
        return tuple(
            RepeatedRecord(row=row, source=self._names[source], place=place)
            for row, source, place in zip(
                own.tolist(),
                self._index.sources[firsts].tolist(),
                self._index.places[firsts].tolist(),
                strict=True,
            )
        )

    def image_digest(self, number: int) -> str:
        """Returns what names all that is known of the images of a file's records."""
        rows = self._index.rows_of(number)
        seen = (self.fates[rows] <= FilterDecision.IMAGE) & (self._index.image_numbers[rows] >= 0)
        states = self._states.digests[self._index.image_numbers[rows][seen]]
        return hashlib.blake2b(states.tobytes(), digest_size=16).hexdigest()


def unpack(fates: str, num_rows: int) -> npt.NDArray[np.uint8]:
    """Returns (num_rows,) fates from `FilterDecisions.packed`."""
    if not fates:
        return np.zeros(num_rows, np.uint8)
    return np.frombuffer(zlib.decompress(base64.b64decode(fates)), np.uint8)


def used_images(
    index: RecordIndex, mixture: MixtureSettings
) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Returns the paths of images of records that may be chosen, and how many use each."""
    rows = may_be_chosen(mixture, index.codes, index.languages) & (index.image_numbers >= 0)
    counts = np.bincount(index.image_numbers[rows], minlength=len(index.paths))
    used = np.flatnonzero(counts)
    return index.paths.take(pa.array(used)), counts[used]
