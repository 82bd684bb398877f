"""Hindi and Bengali: the danda that ends a sentence, and the nukta."""

from palo.translate.normalizers.normalizer import (
    SPACING,
    Normalizer,
    full_stop,
    mapping,
    no_space_before,
    replacing,
)


def _danda(letters: str, *, sentence_ends: str, abbreviations: str) -> tuple[Normalizer, ...]:
    """Returns the normalizers of a script.

    Args:
        letters: Its letters and signs, for use between square brackets.
        sentence_ends: Short words that end sentences; other short words may be abbreviations.
        abbreviations: Longer words that are abbreviated with a full stop.
    """
    return (
        replacing("danda", rf"(?<=[{letters}])[ \u00a0]*\|(?=\s|$|[\"”’)])", "।"),
        full_stop("।", letters, sentence_ends=sentence_ends, abbreviations=abbreviations),
        replacing("no space before a danda", r"(?<=\S)[ \u00a0]+(?=[।॥])", ""),
    )


_HINDI = (
    replacing("nukta once", "\u093c{2,}", "\u093c"),
    *_danda(
        "\u0900-\u0963\u0970-\u097f",
        sentence_ends="है हैं था थी थे हो गए गई गया लें दें दो लो",
        abbreviations="प्रो श्री मिस मिसेज कि.मी मिली सेमी किमी",
    ),
    *SPACING,
    no_space_before(",;:!?"),
)

_BENGALI = (
    mapping("own letters", "ৰ৷", "র।"),
    replacing("khanda ta", "\u09a4\u09cd\u200d", "\u09ce"),
    replacing("nukta once", "\u09bc{2,}", "\u09bc"),
    *_danda(
        "\u0980-\u09fe",
        sentence_ends="হয় নয় নেই নাই ছিল আছে না",
        abbreviations="কিমি সেমি মিমি প্রো মোঃ",
    ),
    *SPACING,
    no_space_before(",;:!?"),
)

BY_LANGUAGE = {"hi": _HINDI, "bn": _BENGALI}
