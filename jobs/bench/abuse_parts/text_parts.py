"""Parsers of text that need more than a text: tokenizers, protected spans, questions."""

import json
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Literal

from abuse_parts.cpu_cost import Parse

if TYPE_CHECKING:
    from palo.text.tokenizer import TextTokenizer
    from palo.translate.request import TranslationRequest

_MAX_TEXT_TOKENS = 64
# A token costs twenty microseconds, and no answer is that long.
_SHARE_STREAMED = 16
_STOPS = ("</s>", "\n\n", "aaaaaaaaaaaab", "[" * 64 + "]")


def listing(path: str) -> Callable[[], Parse]:
    """Returns a builder for a function that yields what it finds in a text."""

    def build() -> Parse:
        module, _, name = path.partition(":")
        function = getattr(import_module(module), name)
        return lambda text: list(function(text))

    return build


def language_judgment(expected: str) -> Callable[[], Parse]:
    """Returns a builder for the judgment of a text that should be in a language."""

    def build() -> Parse:
        from palo import languages
        from palo.text.language_of import LanguageFinder

        judge = LanguageFinder(tuple(languages.every())).judge
        return lambda text: judge(text, expected)

    return build


def encode(kind: str) -> Callable[[], Parse]:
    """Returns a builder for a tokenizer."""
    return lambda: _tokenizer(kind).encode


def encode_conversation(kind: str) -> Callable[[], Parse]:
    """Returns a builder for the encoding of a conversation that is far too long for its sample."""

    def build() -> Parse:
        from palo.text.encoding import encode_conversation
        from palo.text.fitting import EncodingLimits
        from palo.text.messages import Conversation, Turn
        from palo.text.templates import TEMPLATES

        tokenizer = _tokenizer(kind)
        limits = EncodingLimits(max_text_tokens=_MAX_TEXT_TOKENS)

        def parse(text: str) -> object:
            turns = (Turn("user", text), Turn("assistant", text))
            return encode_conversation(
                Conversation(turns), TEMPLATES["vicuna_v1"], tokenizer, limits
            )

        return parse

    return build


def stream() -> Parse:
    """Builds the stream of a text's tokens, held against several stop texts."""
    from palo.text.streaming import TextStream

    tokenizer = _tokenizer("pieces")

    def parse(text: str) -> object:
        ids = tokenizer.encode(text[: len(text) // _SHARE_STREAMED])
        made = TextStream(tokenizer, _STOPS)
        return [*map(made.add, ids), made.end()]

    return parse


def protect_and_restore() -> Parse:
    """Builds the way of a text to a translator that gives it back as it is."""
    from palo.translate.protected_spans.protect import (
        protect_text,
        restore_text,
        stray_placeholders,
        without_placeholders,
    )

    def parse(text: str) -> object:
        protected = protect_text(text, "fr")
        back = restore_text(protected.text, protected.spans)
        return back, list(stray_placeholders(back)), without_placeholders(back)

    return parse


def verify_spans() -> Parse:
    """Builds the proof of a translation that is its source, and of one that has lost half."""
    from palo.translate.protected_spans.protect import protect_text
    from palo.translate.protected_spans.verify import LanguagePair
    from palo.translate.protected_spans.verify import verify_spans as verified

    def parse(text: str) -> object:
        protected, pair = protect_text(text, "fr"), LanguagePair(target="fr")
        return [list(verified(protected, one, pair)) for one in (text, text[len(text) // 2 :])]

    return parse


def glossary_terms() -> Parse:
    """Builds the search for terms of a glossary."""
    from palo.translate.glossary import Glossary, GlossaryEntry

    names = ("a", "a b", "A", "Eiffel Tower", "[", "no yes", "漢字", "w1")
    entries = tuple(GlossaryEntry(term=name, translations=(("*", "="),)) for name in names)
    terms = Glossary(entries=entries).terms("en", "fr")

    def parse(text: str) -> object:
        return [terms.wanted(text[start:end]) for start, end in terms.spans(text)]

    return parse


def quality_checks(language: str) -> Callable[[], Parse]:
    """Returns a builder for all quality checks; the translation has lost a little of the source."""

    def build() -> Parse:
        from palo.translate.checks.run import run_checks
        from palo.translate.normalizers.normalize import normalize_translation

        def parse(text: str) -> object:
            unit = _unit(text, language)
            texts = (text, normalize_translation(text[: -len(text) // 8], language))
            return run_checks(unit, texts)

        return parse

    return build


def translators_reply() -> Parse:
    """Builds the reading of a translator's reply, as it is and as the turn of a good one."""
    from palo.endpoint.replies import Reply
    from palo.translate.prompts.reply import BadReplyError, read_turns

    def parse(text: str) -> object:
        found: list[object] = []
        for reply in (text, f"```json\n{text}", json.dumps({"turns": [text]})):
            try:
                found.append(read_turns(Reply(text=reply, finish_reason="stop"), 1))
            except BadReplyError as error:
                found.append(error)
        return found

    return parse


def verdict(form: Literal["json", "lines"]) -> Callable[[], Parse]:
    """Returns a builder for the reading of a judge's reply, as it is and in a fence."""

    def build() -> Parse:
        from palo.endpoint.replies import Reply
        from palo.evaluate.judging.verdict import read_verdict

        def parse(text: str) -> object:
            texts = (text, f"```json\n{text}\n", f"8 {text}", f"\n\n{text}")
            replies = (Reply(text=one, finish_reason="stop") for one in texts)
            return [read_verdict(reply, form) for reply in replies]

        return parse

    return build


def measures() -> Parse:
    """Builds all measures of an answer."""
    from palo.evaluate.answers.answer_cache import ModelAnswer
    from palo.evaluate.benches.bench import BenchItem
    from palo.evaluate.measures import measure

    item = BenchItem(
        question_id="1",
        language="hi",
        image=Path("a.png"),
        category="conv",
        question="a question",
        references=("a reference",),
        context=("a caption",),
        objects=("a dog", "car"),
    )

    def parse(text: str) -> object:
        return measure([item], [ModelAnswer(key=item.key, text=text)])

    return parse


def markup() -> Parse:
    """Builds a table of a page around a text."""
    from palo.html.page import table

    return lambda text: table(text, ("",), [(text,)])


def _unit(text: str, language: str) -> "TranslationRequest":
    from palo.data.records import Record
    from palo.text.messages import Turn
    from palo.translate.protected_spans.protect import protect_record

    record = Record(
        record_id="1",
        language="en",
        source="hostile",
        licence="",
        image=None,
        turns=(Turn("user", text), Turn("assistant", text)),
    )
    return protect_record(record, language)


@cache
def _tokenizer(kind: str) -> "TextTokenizer":
    from palo.text.tokenizer import load_tokenizer

    if kind == "pieces":
        return load_tokenizer(Path(str(files("palo.scenes.nano_base"))) / "tokenizer")
    return load_tokenizer(_byte_level_folder())


def _byte_level_folder() -> Path:
    """Trains a byte-level tokenizer, as most language models have, on a few words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["aaaa ((((( a b a b (a [[[[ &amp;&amp; the them"] * 9, trainer)
    folder = Path(mkdtemp())
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
