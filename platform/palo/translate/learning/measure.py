"""Quality of held-out translations: chrF, passed checks, edits, faults by check."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from palo import languages
from palo.data.records import Record
from palo.metrics.chrf import chrf
from palo.text.messages import Turn
from palo.translate.checks.run import run_checks
from palo.translate.learning.training_set import TranslationExample
from palo.translate.protected_spans.protect import protect_text
from palo.translate.request import TranslationRequest
from palo.translate.translated import CheckResult, Decision, decide

# Scripts that write no spaces between words: their characters are counted.
_WITHOUT_SPACES = ("Hans", "Jpan")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """Translations of one language, or of all.

    Attributes:
        num_texts: Texts.
        chrf: Mean chrF with what reviewers approved.
        passed: Share of the texts that every check accepts.
        edits_per_100_words: Words to put in, take out or change, for each 100 approved ones.
        faults_per_100_texts: Texts with a fault, by the check that finds it, for each 100.
    """

    num_texts: int
    chrf: float
    passed: float
    edits_per_100_words: float
    faults_per_100_texts: Mapping[str, float]


def measure(examples: Sequence[TranslationExample], texts: Sequence[str]) -> dict[str, Measure]:
    """Measures translations of held-out examples.

    Args:
        examples: The turns that were translated.
        texts: The translations, in the same order.

    Returns:
        By language in the order of the registry, and last of "all".
    """
    found = {}
    pairs = list(zip(examples, texts, strict=True))
    for code in languages.codes():
        own = [pair for pair in pairs if pair[0].language == code]
        if own:
            found[code] = _measure(own)
    if pairs:
        found["all"] = _measure(pairs)
    return found


def checks_of(example: TranslationExample, text: str) -> tuple[CheckResult, ...]:
    """Returns the results of the checks of one turn.

    Args:
        example: The turn.
        text: Its translation.
    """
    source = Record(
        record_id=example.key,
        language=example.translated.source.language,
        source="",
        licence="",
        image=None,
        turns=(Turn("user", example.source),),
    )
    protected = protect_text(example.source, example.language, source_language=source.language)
    return run_checks(
        TranslationRequest(source=source, language=example.language, turns=(protected,)), (text,)
    )


def num_edits(text: str, wanted: str, language: str) -> tuple[int, int]:
    """Returns the number of word edits, and the number of approved words.

    Args:
        text: A translation.
        wanted: The approved one.
        language: ISO 639-1 code of both.

    Source: V. Levenshtein, Binary codes capable of correcting deletions, insertions and reversals
    (1966), on words; on characters where a script writes no spaces.
    """
    has_spaces = languages.get(language).script not in _WITHOUT_SPACES
    given, right = (
        list(_words(one)) if has_spaces else [c for c in one if not c.isspace()]
        for one in (text, wanted)
    )
    row = list(range(len(right) + 1))
    for number, word in enumerate(given, start=1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(right, start=1):
            changed = diagonal + (word != other)
            diagonal = row[place]
            row[place] = min(changed, row[place] + 1, row[place - 1] + 1)
    return row[-1], len(right)


def _words(text: str) -> Iterator[str]:
    """Yields words with the signs on their letters, and each mark of punctuation by itself."""
    word = ""
    for letter in text:
        if unicodedata.category(letter)[0] in "LMN":
            word += letter
            continue
        if word:
            yield word
        word = ""
        if not letter.isspace():
            yield letter
    if word:
        yield word


def _measure(pairs: Sequence[tuple[TranslationExample, str]]) -> Measure:
    faults: Counter[str] = Counter()
    passed = 0
    for example, text in pairs:
        results = checks_of(example, text)
        passed += decide(results) is Decision.ACCEPT
        faults.update({result.check for result in results if result.decision > Decision.ACCEPT})
    edits = [num_edits(text, example.wanted, example.language) for example, text in pairs]
    num_words = sum(wanted for _, wanted in edits)
    return Measure(
        num_texts=len(pairs),
        chrf=fmean(chrf(text, [example.wanted]) for example, text in pairs),
        passed=passed / len(pairs),
        edits_per_100_words=100 * sum(changed for changed, _ in edits) / max(1, num_words),
        faults_per_100_texts={
            check: 100 * count / len(pairs) for check, count in sorted(faults.items())
        },
    )
