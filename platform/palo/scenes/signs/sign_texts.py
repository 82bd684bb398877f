"""What signs say in a language, and how one asks what they say."""

import importlib
from dataclasses import dataclass

from palo import languages
from palo.errors import DataError
from palo.scenes.phrase_book import capitalised


@dataclass(frozen=True, kw_only=True, slots=True)
class SignTexts:
    """The signs of a language, and its words about any sign.

    Attributes:
        language: ISO code.
        words: What its signs say: of one or two words, and no longer than a board is wide.
        questions: Wordings of the question what a sign says, without the mark at their end.
        answer: The answer without the mark at its end, with the sign's text, in the language's
            quotation marks, in the slot `word`.
        families: Fonts for this language beside those of its script.
    """

    language: str
    words: tuple[str, ...]
    questions: tuple[str, ...]
    answer: str
    families: tuple[str, ...] = ()

    def ask(self, wording: int) -> str:
        """Returns the question.

        Args:
            wording: Picks one of its wordings, modulo their number.
        """
        text = self.questions[wording % len(self.questions)]
        return capitalised(text) + languages.get(self.language).question_mark

    def tell(self, word: str) -> str:
        """Returns the sentence that says what a sign says.

        Args:
            word: Text of the sign, in any language.
        """
        own = languages.get(self.language)
        opening, closing = own.quotes
        return capitalised(self.answer.format(word=f"{opening}{word}{closing}")) + own.full_stop


def sign_texts(code: str) -> SignTexts:
    """Returns the signs of a language.

    Args:
        code: ISO code.

    Raises:
        ConfigError: If the registry has no such language.
        DataError: If the language has no signs.
    """
    languages.get(code)
    module = f"{__package__}.texts.{code}"
    try:
        found: SignTexts = importlib.import_module(module).TEXTS
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise DataError(
            "there are no signs in this language",
            seen=code,
            fix=f"Add {module.replace('.', '/')}.py, or name other languages.",
        ) from None
    return found
