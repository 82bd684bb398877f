"""Is a text in a language, as that language is written? The one place that answers this.

Corpora are cleaned by it, translations are checked, answers are measured, and questions are told
apart. What decides comes in this order:

1. The script. A text in a script that a language is never written in isn't in that language:
   romanised Hindi is no Hindi. Names, brands and terms in Latin letters don't count.
2. Letters that settle it: kana, characters of simplified Chinese, Urdu's own letters.
3. What py3langid says, among the languages of the script, ours and their neighbours.

Code, mathematics, addresses and digits don't count. A text that is too short to say, or could be in
several languages, is never called wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from palo.languages import Language
from palo.text.bare_words import (
    has_latin_words,
    is_english_answer,
    num_words,
    sentences_of,
    without_asides,
    without_names,
)
from palo.text.han import han_letters, is_chinese, is_japanese
from palo.text.likelihood import CERTAIN, Likelihood, likeliest, likelihood
from palo.text.neighbours import NEIGHBOURS, name_of, neighbour_by_words
from palo.text.scripts import letters_by_script, scripts_of

# That words are in the wrong script shows in fewer of them than which language they are in.
_FEWEST_FOREIGN_WORDS, _FEWEST_FOREIGN_LETTERS = 3, 7
# A text with more of its own script than this mixes both, as people do who code-switch.
_LEAST_MIXED_SHARE = 0.25
# Japanese text is about half kana, Chinese text has none but in names.
_LEAST_KANA_SHARE = 0.1
# One Han character says about as much as two letters.
_WEIGHTS = {"Hani": 2, "Hang": 2, "Kana": 2}
_FEWEST_WORDS = 4
_SHORT = 8
# From how many words on which log odds and which probability of another language show that a text
# is in it: in few words names weigh more. Chosen on the development half of the bench, and on the
# drawn scenes, whose few words in Bengali look like Assamese.
_SHOWS_ANOTHER = ((20, 0.3, 0.4), (10, 0.7, 0.4), (_SHORT, 1.0, 0.5), (_FEWEST_WORDS, 2.0, 0.6))
_SHOWS_ANOTHER_IN_LATIN = ((10, 0.3, 0.4), (_SHORT, 1.0, 0.5), (_FEWEST_WORDS, 3.0, 0.7))
# A sentence is in another language than the rest if it has so many words, so surely.
_FEWEST_WORDS_OF_SENTENCE, _LEAST_CERTAIN_OF_SENTENCE = 6, 0.95
_MOST_SENTENCES = 6
# A name may bring a letter that a language doesn't write.
_FEWEST_UNWRITTEN, _LEAST_UNWRITTEN_SHARE, _LEAST_SHARE_OF_ONE = 2, 0.04, 0.08
# Romanised texts are taken for Finnish, Indonesian, Swahili or Czech, hardly ever for these.
_NEVER_LIKE_ROMANISED = ("ca", "de", "en", "es", "fr", "it", "pt", "ro", "sv")


class Verdict(StrEnum):
    """Whether a text is in a language, as it is written."""

    RIGHT = "right"
    WRONG_LANGUAGE = "wrong language"
    WRONG_SCRIPT = "wrong script"
    ROMANISED = "romanised"
    CODE_SWITCHED = "code-switched"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class LanguageJudgment:
    """What was found about a text.

    Attributes:
        verdict: Whether it is in the expected language; undecided if it is too short to say.
        found: ISO 639 code of the language that it is in, or mixed with, which may be none of the
            platform's; the ISO 15924 code of the script where the language is unknown; None if
            undecided.
    """

    verdict: Verdict
    found: str | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether the text isn't in the expected language, as it is written."""
        return self.verdict in _WRONG

    @property
    def named(self) -> str:
        """What the text is in, in English."""
        if self.verdict is Verdict.ROMANISED:
            return "Latin letters"
        return name_of(self.found or "") or f"the script {self.found}"


_WRONG = (Verdict.WRONG_LANGUAGE, Verdict.WRONG_SCRIPT, Verdict.ROMANISED)
_UNDECIDED = LanguageJudgment(Verdict.UNDECIDED)


class LanguageFinder:
    """Judges the language of texts.

    Args:
        known: The languages that a text may be in.
    """

    def __init__(self, known: Sequence[Language]) -> None:
        self._known = {language.code: language for language in known}
        self._written: dict[str, list[Language]] = {}
        for language in known:
            self._written.setdefault(scripts_of(language.script)[0], []).append(language)
        self._candidates = {
            script: tuple(sorted({*NEIGHBOURS.get(script, ()), *(one.code for one in written)}))
            for script, written in self._written.items()
        }
        self._unwritten = {one.code: frozenset(one.unwritten_letters) for one in known}
        self._latin = self._candidates.get("Latn", tuple(NEIGHBOURS["Latn"]))

    def judge(self, text: str, expected: str) -> LanguageJudgment:
        """Judges whether a text is in a language, as that language is written.

        Args:
            text: Any text, such as an answer, however short.
            expected: ISO 639-1 code of the language that it should be in.
        """
        words = without_asides(text)
        letters = letters_by_script(words)
        if not letters:
            return _UNDECIDED
        language = self._known[expected]
        own = scripts_of(language.script)
        if own[0] == "Hang":  # Korean may quote Han characters, but isn't written in them
            own = own[:1]
        script = _main_script(letters)
        if script not in own:
            if script == "Latn":
                return self._of_latin(words, own)
            return self._of_foreign(words, letters, script, own)
        if script == "Hani":
            return self._of_han(words, letters, language)
        if script != "Latn" and "Latn" in letters and _is_mixed(words, letters):
            return LanguageJudgment(Verdict.CODE_SWITCHED, "Latn")
        return self._of_script(words, letters[script], language)

    def detect(self, text: str) -> str | None:
        """Returns which of the known languages a text is in; None if that isn't clear.

        Args:
            text: Any text, such as a question.
        """
        words = without_asides(text)
        script = _main_script(letters_by_script(words))
        codes = tuple(language.code for language in self._written.get(script or "", ()))
        right = [code for code in codes if self.judge(words, code).verdict is Verdict.RIGHT]
        if len(right) != 1 or script != "Latn" or len(codes) == 1:
            return right[0] if len(right) == 1 else None
        found = likeliest(words, codes)
        is_sure = found is not None and found[1] >= CERTAIN and num_words(words) >= _FEWEST_WORDS
        return right[0] if is_sure else None

    def _of_latin(self, words: str, own: Sequence[str]) -> LanguageJudgment:
        """Judges a text that is mostly in Latin letters and shouldn't be."""
        plain = without_names(words)
        letters = _weights(letters_by_script(plain))
        num_own = sum(letters.get(script, 0) for script in own)
        has_words = has_latin_words(plain, _FEWEST_FOREIGN_WORDS)
        if num_own > _LEAST_MIXED_SHARE * sum(letters.values()):
            return LanguageJudgment(Verdict.CODE_SWITCHED, "Latn") if has_words else _UNDECIDED
        if not has_words and is_english_answer(words):
            return _UNDECIDED if num_own else LanguageJudgment(Verdict.WRONG_LANGUAGE, "en")
        is_short = num_words(plain) < _SHORT
        if not has_words and (num_own or not _has_sentence(words, plain)):
            return _UNDECIDED
        found, probability = likeliest(words if is_short else plain, self._latin) or ("", 0.0)
        is_sure = probability >= CERTAIN and found in _NEVER_LIKE_ROMANISED
        if is_sure or (is_short and has_words and found in self._known):
            return LanguageJudgment(Verdict.WRONG_LANGUAGE, found)
        return LanguageJudgment(Verdict.ROMANISED, "Latn") if has_words else _UNDECIDED

    def _of_foreign(
        self, words: str, letters: Mapping[str, int], script: str | None, own: Sequence[str]
    ) -> LanguageJudgment:
        """Judges a text that is mostly in another script, not in Latin letters."""
        if "Latn" in own and "Latn" in letters:
            letters = letters_by_script(without_names(words))
        weights = _weights(letters)
        num_own, total = sum(weights.get(one, 0) for one in own), sum(weights.values())
        if script is None or num_own > _LEAST_MIXED_SHARE * total:
            is_mixed = num_own and total - num_own >= _FEWEST_FOREIGN_LETTERS
            return LanguageJudgment(Verdict.CODE_SWITCHED, script) if is_mixed else _UNDECIDED
        if total < _FEWEST_FOREIGN_LETTERS:
            return _UNDECIDED
        if script == "Hani":
            has_kana = letters.get("Kana", 0) >= _LEAST_KANA_SHARE * sum(letters.values())
            return self._written_in("Jpan" if has_kana or is_japanese(words) else "Hans")
        for language in self._written.get(script, ()):
            if self._of_script(words, total, language).verdict is Verdict.RIGHT:
                return LanguageJudgment(Verdict.WRONG_LANGUAGE, language.code)
        return LanguageJudgment(Verdict.WRONG_SCRIPT, script)

    def _of_han(
        self, words: str, letters: Mapping[str, int], language: Language
    ) -> LanguageJudgment:
        """Judges a text in Han characters or kana that should be in one of their languages."""
        han, kana = letters.get("Hani", 0), letters.get("Kana", 0)
        right = LanguageJudgment(Verdict.RIGHT, language.code)
        if kana >= max(1.0, _LEAST_KANA_SHARE * (han + kana)):
            if language.script == "Jpan":
                return right
            return self._written_in("Jpan") if han + kana > 1 else _UNDECIDED
        if language.script == "Jpan":
            if is_chinese(words):
                return self._written_in("Hans")
            return right if is_japanese(words) else _UNDECIDED
        found = han_letters(words)
        if is_japanese(words, fewest=2):
            return self._written_in("Jpan")
        if found.is_of_other_chinese(language.script):
            other = "Hans" if language.script == "Hant" else "Hant"
            is_mixed = bool(found.simplified) and bool(found.traditional)
            return LanguageJudgment(
                Verdict.CODE_SWITCHED if is_mixed else Verdict.WRONG_SCRIPT, other
            )
        return right

    def _written_in(self, script: str) -> LanguageJudgment:
        """Returns that a text is in the known language of a writing, or only in that."""
        found = next((c for c, one in self._known.items() if one.script == script), None)
        if found is None:
            return LanguageJudgment(Verdict.WRONG_SCRIPT, script)
        return LanguageJudgment(Verdict.WRONG_LANGUAGE, found)

    def _of_script(self, words: str, num_letters: int, language: Language) -> LanguageJudgment:
        """Judges between the languages of a script: by letters, then by likelihood."""
        script = scripts_of(language.script)[0]
        candidates = self._candidates[script]
        count = num_words(words)
        right = LanguageJudgment(Verdict.RIGHT, language.code)
        if (other := neighbour_by_words(words, language.code, count)) is not None:
            if _has_right_sentence(words, language.code, candidates):
                return LanguageJudgment(Verdict.CODE_SWITCHED, other)
            return LanguageJudgment(Verdict.WRONG_LANGUAGE, other)
        is_unwritten = _has_unwritten(words, num_letters, self._unwritten[language.code])
        if count < _FEWEST_WORDS and script != "Latn":
            if is_unwritten:
                return _other_than(language.code, words, candidates)
            return self._by_letters(words, language, script) or right
        found = likelihood(words, language.code, candidates)
        if found is None:
            return right if candidates == (language.code,) else _UNDECIDED
        if found.probability >= CERTAIN:
            return right
        if is_unwritten:
            return _other_than(language.code, words, candidates)
        compared: Likelihood | None = found
        if script == "Latn" and count < _SHORT:
            plain = without_names(words)
            count = num_words(plain) + 1 if has_latin_words(plain, _FEWEST_FOREIGN_WORDS) else 0
            compared = likelihood(plain, language.code, candidates)
        levels = _SHOWS_ANOTHER_IN_LATIN if script == "Latn" else _SHOWS_ANOTHER
        if compared is not None and _shows_another(compared, count, levels):
            if _has_right_sentence(words, language.code, candidates):
                return LanguageJudgment(Verdict.CODE_SWITCHED, compared.other)
            return LanguageJudgment(Verdict.WRONG_LANGUAGE, compared.other)
        return right if found.is_likeliest(self._known) else _UNDECIDED

    def _by_letters(self, words: str, language: Language, script: str) -> LanguageJudgment | None:
        """Decides on a few words by letters that only one language of a script has."""
        letters = language.own_letters + language.usual_letters
        if any(letter in words for letter in letters):
            return None
        for other in self._written[script]:
            if other is not language and any(letter in words for letter in other.own_letters):
                return LanguageJudgment(Verdict.WRONG_LANGUAGE, other.code)
        return _UNDECIDED if language.own_letters else None


def _has_sentence(words: str, plain: str) -> bool:
    """Returns whether a few words beside a name may be a sentence, rather than a term."""
    return num_words(words) >= _FEWEST_WORDS and has_latin_words(plain, 2)


def _other_than(code: str, words: str, candidates: Sequence[str]) -> LanguageJudgment:
    """Returns the likeliest other language of a text that isn't in the expected one."""
    found = likeliest(words, tuple(one for one in candidates if one != code))
    return _UNDECIDED if found is None else LanguageJudgment(Verdict.WRONG_LANGUAGE, found[0])


def _shows_another(
    found: Likelihood, count: int, levels: Sequence[tuple[int, float, float]]
) -> bool:
    """Returns whether a text of so many words is in another language."""
    for fewest, log_odds, probability in levels:
        if count >= fewest:
            other = found.probabilities[found.other]
            return found.log_odds >= log_odds and other >= probability
    return False


def _has_right_sentence(words: str, expected: str, candidates: tuple[str, ...]) -> bool:
    """Returns whether some sentence of a text is in the expected language after all."""
    sentences = [one for one in sentences_of(words) if num_words(one) >= _FEWEST_WORDS_OF_SENTENCE]
    if len(sentences) < 2:
        return False
    step = -(-len(sentences) // _MOST_SENTENCES)
    found = (likelihood(one, expected, candidates) for one in sentences[::step])
    return any(one is not None and one.probability >= _LEAST_CERTAIN_OF_SENTENCE for one in found)


def _has_unwritten(words: str, num_letters: int, letters: frozenset[str]) -> bool:
    """Returns whether a text has letters that a language doesn't write, beyond a name's."""
    if letters.isdisjoint(words):
        return False
    count = sum(letter in letters for letter in words)
    least = _LEAST_UNWRITTEN_SHARE if count >= _FEWEST_UNWRITTEN else _LEAST_SHARE_OF_ONE
    return count >= least * num_letters


def _is_mixed(words: str, letters: Mapping[str, int]) -> bool:
    """Returns whether a text in another script has as many Latin words as people who mix have."""
    if letters["Latn"] <= _LEAST_MIXED_SHARE * sum(letters.values()):
        return False
    plain = without_names(words)
    letters = _weights(letters_by_script(plain))
    is_large = letters.get("Latn", 0) > _LEAST_MIXED_SHARE * sum(letters.values())
    return is_large and has_latin_words(plain, _FEWEST_FOREIGN_WORDS)


def _weights(letters: Mapping[str, int]) -> dict[str, int]:
    return {name: count * _WEIGHTS.get(name, 1) for name, count in letters.items()}


def _main_script(letters: Mapping[str, int]) -> str | None:
    """Returns the script of most of a text, None if no script has more than half of it.

    Han characters stand for kana, too.
    """
    weights = _weights(letters)
    if "Kana" in weights:
        weights["Hani"] = weights.get("Hani", 0) + weights.pop("Kana")
    total = sum(weights.values())
    return next((name for name, weight in weights.items() if 2 * weight > total), None)
