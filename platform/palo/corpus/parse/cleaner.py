"""Cleaning of records: normal form of their turns, and a check of their language."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from palo.corpus.config import CleaningSettings
from palo.data.records import Record, Rejected
from palo.languages import Language
from palo.reasons import Reason
from palo.text.language_of import LanguageFinder, LanguageJudgment, Verdict
from palo.text.normal_form import normal_form

_CHARACTERS = 4000
"""Characters of a record's answers by which its language is found, in equal shares of each."""


class Cleaner:
    """Cleans records one by one and counts what it did.

    Args:
        settings: What to clean.
        known: The languages that a record may be in.

    Attributes:
        counts: By language: normal_form, turns that were rewritten; other_language, records that
            were kept though their answers are in another language.
    """

    def __init__(self, settings: CleaningSettings, known: Sequence[Language]) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._settings = settings
        self._scripts = {language.code: language.script for language in known}
        self._finder = LanguageFinder(known)

    def clean(self, record: Record) -> Record | Rejected:
        """Cleans a record.

        Args:
            record: The record.

        Returns:
            The clean record, or the reason why it is dropped.
        """
        if self._settings.normal_form:
            record = self._in_normal_form(record)
            if not all(turn.text or turn.num_images for turn in record.turns):
                return Rejected(
                    reason=Reason.EMPTY_TURN, detail="but for residue", language=record.language
                )
        if self._settings.other_language == "off":
            return record
        judgment = self._judge(record)
        if not judgment.is_wrong:
            return record
        if self._settings.other_language == "keep":
            self.counts[record.language]["other_language"] += 1
            return record
        is_language = judgment.verdict is Verdict.WRONG_LANGUAGE
        place = judgment.found if is_language else f"the script {judgment.found}"
        return Rejected(
            reason=Reason.NOT_IN_LANGUAGE, detail=f"in {place}", language=record.language
        )

    def _in_normal_form(self, record: Record) -> Record:
        script = self._scripts[record.language]
        texts = [normal_form(turn.text, script) for turn in record.turns]
        pairs = list(zip(record.turns, texts, strict=True))
        system = None if record.system is None else normal_form(record.system, script) or None
        num_changed = sum(turn.text != text for turn, text in pairs) + (system != record.system)
        if not num_changed:
            return record
        self.counts[record.language]["normal_form"] += num_changed
        turns = tuple(replace(turn, text=text) for turn, text in pairs)
        return replace(record, turns=turns, system=system)

    def _judge(self, record: Record) -> LanguageJudgment:
        """Judges the language of most of the answers: all at once, or else each by itself."""
        answers = _answers(record)
        whole = self._finder.judge("\n".join(answers), record.language)
        if whole.is_wrong or whole.verdict is Verdict.RIGHT or len(answers) == 1:
            return whole
        lengths: Counter[LanguageJudgment] = Counter()
        for answer in answers:
            lengths[self._finder.judge(answer, record.language)] += len(answer)
        best, length = lengths.most_common(1)[0]
        return best if 2 * length > lengths.total() else whole


def _answers(record: Record) -> list[str]:
    answers = [turn.text for turn in record.turns if turn.role == "assistant"]
    total = sum(map(len, answers))
    if total <= _CHARACTERS:
        return answers
    return [text[: len(text) * _CHARACTERS // total] for text in answers]
