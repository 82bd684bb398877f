"""The account of a build: rows in, out and dropped at each step, and what is left by language."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from palo import languages
from palo.data.corpus import open_samples, read_columns
from palo.data.manifest import LanguageCount, StageCount
from palo.data.reasons import Reason
from palo.errors import DataError

STAGES = ("parse", "clean", "image", "duplicate", "encode")
"""What happens to rows, in this order."""

_Counts = Mapping[str, Mapping[str, int]]


class Accounts:
    """Counts rows through the steps of a build.

    Args:
        max_bad_share: Largest share of rows that may be left out.
    """

    def __init__(self, max_bad_share: float) -> None:
        self.rows_in: Counter[str] = Counter()
        self.rows_out: Counter[str] = Counter()
        self._dropped: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self._max_bad_share = max_bad_share
        self._example = ""

    def add(self, step: str, rows_in: int, rows_out: int, dropped: _Counts, example: str) -> None:
        """Adds what one task counted."""
        self.rows_in[step] += rows_in
        self.rows_out[step] += rows_out
        for reason, counts in dropped.items():
            self._dropped[step][reason].update(counts)
        # The least of all examples, so that it doesn't depend on which task was first.
        self._example = min(filter(None, (self._example, example)), default="")

    def require_few_bad(self, expected: Mapping[str, int] | None = None, example: str = "") -> None:
        """Stops a build with too many bad rows. What was said before is not bad.

        Args:
            expected: Rows that a later step will leave out, by reason.
            example: One of them.

        Raises:
            DataError: If more than the allowed share of rows is bad; it names the reasons.
        """
        total = Counter(expected or {})
        for reasons in self._dropped.values():
            for reason, counts in reasons.items():
                if reason != Reason.DUPLICATE:
                    total[reason] += sum(counts.values())
        rows = self.rows_in["parse"]
        if sum(total.values()) <= self._max_bad_share * rows:
            return
        listed = ", ".join(f"{count} {reason}" for reason, count in total.most_common())
        raise DataError(
            f"{sum(total.values())} of {rows} rows are bad, more than {self._max_bad_share:.1%}",
            seen=f"{listed}; for example {self._example or example}",
            fix="Repair them (the quarantine folder lists those read so far), "
            "or raise max_bad_share.",
        )

    def stages(self) -> tuple[StageCount, ...]:
        """Returns the account as the manifest keeps it."""
        return tuple(
            StageCount(
                name=step,
                rows_in=self.rows_in[step],
                rows_out=self.rows_out[step],
                dropped={
                    reason: dict(sorted(counts.items()))
                    for reason, counts in sorted(self._dropped[step].items())
                },
            )
            for step in STAGES
        )


def language_counts(
    corpus: Path, counts: Mapping[str, Mapping[str, int]]
) -> tuple[LanguageCount, ...]:
    """Measures the samples of a corpus by language.

    Args:
        corpus: Folder of the corpus, with its samples written.
        counts: By language what the encoding counted (records, split, cut, dropped_parts), and
            what the cleaning did (normal_form, other_language).
    """
    lengths: defaultdict[str, list[npt.NDArray[np.int32]]] = defaultdict(list)
    num_targets: Counter[str] = Counter()
    for file in open_samples(corpus):
        columns = read_columns(file)
        for language in np.unique(columns.languages).tolist():
            chosen = columns.languages == language
            lengths[language].append(columns.lengths[chosen])
            num_targets[language] += int(columns.num_targets[chosen].sum())
    present = [code for code in languages.codes() if code in lengths]
    return tuple(
        _language_count(code, np.concatenate(lengths[code]), num_targets[code], counts[code])
        for code in present
    )


def _language_count(
    code: str, lengths: npt.NDArray[np.int32], num_targets: int, counts: Mapping[str, int]
) -> LanguageCount:
    return LanguageCount(
        language=code,
        num_records=counts["records"],
        num_samples=len(lengths),
        num_split=counts["split"],
        num_cut=counts["cut"],
        num_dropped_parts=counts["dropped_parts"],
        num_rewritten_turns=counts.get("normal_form", 0),
        num_in_other_language=counts.get("other_language", 0),
        num_text_tokens=int(lengths.sum(dtype=np.int64)),
        num_target_tokens=num_targets,
        median_text_tokens=float(np.median(lengths)),
        p95_text_tokens=float(np.percentile(lengths, 95)),
        max_text_tokens=int(lengths.max()),
        truncation_rate=counts["cut"] / len(lengths),
    )
