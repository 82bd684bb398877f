"""Row counts of a build: rows in, out and dropped at each step, and samples by language."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from palo import languages
from palo.corpus.stages import STEPS, StepName
from palo.data.manifest import LENGTH_STEP, LanguageCount, SourceCount, StageCount
from palo.errors import DataError

_Counts = Mapping[str, Mapping[str, int]]


class RowCounts:
    """Counts rows through the steps of a build, by source.

    Args:
        max_bad_share: Largest share of rows that may be bad.
        sources: Names of the sources, in order.
        quarantine: Folder of the rows that were dropped, for messages.
    """

    def __init__(
        self,
        max_bad_share: float,
        sources: Sequence[str],
        quarantine: Path = Path("quarantine"),
    ) -> None:
        self._quarantine = quarantine
        self._by_source = {source: _Tally() for source in sources}
        self._max_bad_share = max_bad_share
        self._example = ""

    def add(
        self,
        step: StepName,
        source: str,
        rows_in: int,
        rows_out: int,
        dropped: _Counts,
        example: str = "",
    ) -> None:
        """Adds the counts of one task.

        Args:
            step: Name of the step.
            source: Name of the source.
            rows_in: Rows that the step took.
            rows_out: Rows that it kept.
            dropped: Rows that it dropped, by reason and language.
            example: A dropped row, in words.

        Raises:
            ValueError: If rows were dropped for a reason that the step has not declared.
        """
        undeclared = dropped.keys() - set(STEPS[step].drops)
        if undeclared:
            raise ValueError(f"step {step} drops rows for {', '.join(sorted(undeclared))}")
        self._by_source[source].add(step, rows_in, rows_out, dropped)
        # The least of all examples, so that it doesn't depend on which task was first.
        self._example = min(filter(None, (self._example, example)), default="")

    def add_samples(
        self, source: str, *, counts: _Counts, lengths: _Counts, num_targets: Mapping[str, int]
    ) -> None:
        """Adds the counts of one encode task.

        Args:
            source: Name of the source.
            counts: By language, records that gave samples, and how many were split or cut.
            lengths: By language, the number of samples by their text tokens, the latter as text.
            num_targets: Trained tokens by language.
        """
        self._by_source[source].add_samples(counts, lengths, num_targets)

    def _whole(self) -> "_Tally":
        return _Tally.sum_of(self._by_source.values())

    def require_few_bad(self, expected: Mapping[str, int] | None = None, example: str = "") -> None:
        """Stops a build with too many bad rows; duplicates and unchosen rows are not bad.

        Args:
            expected: Rows that a later step will drop, by reason.
            example: One of them, in words.

        Raises:
            DataError: If more than the allowed share of rows is bad; it names the reasons.
        """
        whole = self._whole()
        total = Counter(expected or {})
        for step, reasons in whole.dropped.items():
            if STEPS[step].is_check:
                for reason, counts in reasons.items():
                    total[reason] += counts.total()
        rows = whole.rows_in["parse"]
        if total.total() <= self._max_bad_share * rows:
            return
        listed = ", ".join(f"{count} {reason}" for reason, count in total.most_common())
        raise DataError(
            f"{total.total()} of {rows} rows are bad, more than {self._max_bad_share:.1%}",
            seen=f"{listed}; for example {self._example or example}",
            fix=f"Repair them ({self._quarantine} lists those read so far), or allow more: "
            "--data.max-bad-share.",
        )

    def stages(self) -> tuple[StageCount, ...]:
        """Returns the counts of each step, over all sources."""
        return self._whole().stages()

    def sources(self) -> tuple[SourceCount, ...]:
        """Returns the counts of each source."""
        return tuple(tally.as_source(name) for name, tally in self._by_source.items())

    def languages(self) -> tuple[LanguageCount, ...]:
        """Returns the statistics of each language."""
        whole = self._whole()
        return tuple(
            _language_count(code, whole.lengths[code], whole.num_targets[code], whole.counts[code])
            for code in languages.codes()
            if whole.lengths[code]
        )

    def add_counts(self, source: str, by_language: _Counts) -> None:
        """Adds counts of some records.

        Args:
            source: Name of the source.
            by_language: Counts by language and name.
        """
        self._by_source[source].add_counts(by_language)


class _Tally:
    """Counts of some rows."""

    def __init__(self) -> None:
        self.rows_in: Counter[StepName] = Counter()
        self.rows_out: Counter[StepName] = Counter()
        self.dropped: defaultdict[StepName, defaultdict[str, Counter[str]]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.lengths: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.num_targets: Counter[str] = Counter()

    @classmethod
    def sum_of(cls, parts: Iterable["_Tally"]) -> "_Tally":
        whole = cls()
        for part in parts:
            for step in STEPS:
                whole.add(step, part.rows_in[step], part.rows_out[step], part.dropped[step])
            whole.add_counts(part.counts)
            whole.num_targets.update(part.num_targets)
            for language, lengths in part.lengths.items():
                whole.lengths[language].update(lengths)
        return whole

    def add(self, step: StepName, rows_in: int, rows_out: int, dropped: _Counts) -> None:
        self.rows_in[step] += rows_in
        self.rows_out[step] += rows_out
        for reason, counts in dropped.items():
            self.dropped[step][reason].update(counts)

    def add_counts(self, by_language: _Counts) -> None:
        for language, counts in by_language.items():
            self.counts[language].update(counts)

    def add_samples(
        self, counts: _Counts, lengths: _Counts, num_targets: Mapping[str, int]
    ) -> None:
        self.add_counts(counts)
        self.num_targets.update(num_targets)
        for language, own in lengths.items():
            self.lengths[language].update({int(key): value for key, value in own.items()})

    def stages(self) -> tuple[StageCount, ...]:
        return tuple(
            StageCount(
                name=step,
                rows_in=self.rows_in[step],
                rows_out=self.rows_out[step],
                dropped={
                    reason: dict(sorted(counts.items()))
                    for reason, counts in sorted(self.dropped[step].items())
                },
            )
            for step in STEPS
        )

    def as_source(self, name: str) -> SourceCount:
        present = sorted(code for code, lengths in self.lengths.items() if lengths)
        return SourceCount(
            name=name,
            stages=self.stages(),
            num_records={code: self.counts[code]["records"] for code in present},
            num_samples={code: self.lengths[code].total() for code in present},
            num_text_tokens={
                code: sum(size * count for size, count in self.lengths[code].items())
                for code in present
            },
        )


def _language_count(
    code: str, counted: Mapping[int, int], num_targets: int, counts: Mapping[str, int]
) -> LanguageCount:
    sizes = sorted(counted)
    lengths = np.repeat(sizes, [counted[size] for size in sizes])
    return LanguageCount(
        language=code,
        num_records=counts["records"],
        num_samples=len(lengths),
        num_split=counts["split"],
        num_cut=counts["cut"],
        num_dropped_parts=counts["dropped_parts"],
        num_rewritten_turns=counts["normal_form"],
        num_in_other_language=counts["other_language"],
        num_text_tokens=int(lengths.sum(dtype=np.int64)),
        num_target_tokens=num_targets,
        median_text_tokens=float(np.median(lengths)),
        p95_text_tokens=float(np.percentile(lengths, 95)),
        max_text_tokens=int(lengths.max()),
        truncation_rate=counts["cut"] / len(lengths),
        lengths=tuple(np.bincount(lengths // LENGTH_STEP).tolist()),
    )
