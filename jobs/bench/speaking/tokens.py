"""Tokens of news sentences under a tokenizer, before and after new pieces were added."""

from collections.abc import Iterator, Mapping, Sequence

from palo import languages
from palo.benchmark import Figure, resampled
from palo.text.encoding import EncodingLimits, encode_conversation
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer

Row = Mapping[str, str]
Pair = tuple[float, float]

TEXT_TOKENS = 2048 - 576
"""What an image of CLIP ViT-L/14-336 leaves of LLaVA's context."""

_TARGET = 2.0
_LINES = 20  # of a conversation: ten questions and ten answers


def ratio(pairs: Sequence[Pair]) -> float:
    """Returns the ratio of two sums.

    Args:
        pairs: Numerator and denominator of each line.
    """
    return sum(a for a, _ in pairs) / sum(b for _, b in pairs)


def token_figures(
    rows: Sequence[Row], old: TextTokenizer, new: TextTokenizer, extended: Sequence[str]
) -> Iterator[Figure]:
    """Yields tokens a sentence, over English, and characters a context, of every language.

    Args:
        rows: Held-out lines in all languages.
        old: The tokenizer as it was.
        new: The tokenizer with new pieces.
        extended: Languages that got pieces.
    """
    english = [len(old.encode(row["en"])) for row in rows]
    for code in languages.codes():
        for name, tokenizer in (("before", old), ("after", new)):
            counts = [len(tokenizer.encode(row[code])) for row in rows]
            lengths = [len(row[code]) for row in rows]
            ones = [(count, 1.0) for count in counts]
            yield resampled(f"{code}_tokens_a_sentence_{name}", ratio, ones, "tokens")
            has_target = name == "after" and code in extended
            yield resampled(
                f"{code}_to_english_{name}",
                ratio,
                list(zip(counts, english, strict=True)),
                "1",
                target=_TARGET if has_target else None,
                better="lower" if has_target else None,
            )
            context = [(TEXT_TOKENS * size, count)
                       for size, count in zip(lengths, counts, strict=True)]  # fmt: skip
            yield resampled(f"{code}_characters_a_context_{name}", ratio, context, "characters")


def changed_lines(
    rows: Sequence[Row], old: TextTokenizer, new: TextTokenizer, extended: Sequence[str]
) -> Figure:
    """Returns how many lines of the other languages have other ids than before.

    Args:
        rows: Lines in all languages.
        old: The tokenizer as it was.
        new: The tokenizer with new pieces.
        extended: Languages that got pieces.
    """
    others = [code for code in languages.codes() if code not in extended]
    count = float(
        sum(old.encode(row[code]) != new.encode(row[code]) for row in rows for code in others)
    )
    return Figure(name="old_lines_changed", value=count, unit="lines", low=count, high=count,
                  target=0.0, better="lower")  # fmt: skip


def split_figures(rows: Sequence[Row], old: TextTokenizer, new: TextTokenizer) -> Iterator[Figure]:
    """Yields the share of conversations of ten rounds that are split beside an image.

    Args:
        rows: Held-out lines in all languages, which ask and answer in turn.
        old: The tokenizer as it was.
        new: The tokenizer with new pieces.
    """
    limits = EncodingLimits(max_text_tokens=TEXT_TOKENS)
    starts = range(0, len(rows) - _LINES + 1, _LINES // 2)
    for code in languages.codes():
        talks = [_conversation(rows[start : start + _LINES], code) for start in starts]
        for name, tokenizer in (("before", old), ("after", new)):
            found = [encode_conversation(one, TEMPLATES["vicuna_v1"], tokenizer, limits)
                     for one in talks]  # fmt: skip
            split = [float(len(one.samples) + one.num_dropped > 1) for one in found]
            yield resampled(f"{code}_rows_split_{name}", _percent, split, "%")


def _conversation(rows: Sequence[Row], code: str) -> Conversation:
    turns = (
        Turn("assistant", row[code]) if number % 2 else Turn("user", row[code], int(number == 0))
        for number, row in enumerate(rows)
    )
    return Conversation(tuple(turns))


def _percent(values: Sequence[float]) -> float:
    return 100 * sum(values) / len(values)
