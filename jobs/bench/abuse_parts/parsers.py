"""The parsers of text that comes from others, and what each costs at worst.

In `jobs/bench`, `python -m abuse_parts.parsers [part of a name]` prints that as a table, also for
an older commit whose `platform` is on PYTHONPATH. A test holds every parser of `PARSERS` to linear
time; a new one is one more line.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

from abuse_parts import text_parts, wire_parts
from abuse_parts.cpu_cost import LARGE, SMALL, Cost, Parse, cost_at, worst_texts
from abuse_parts.hostile_texts import hostile_texts

from palo import languages


@dataclass(frozen=True, slots=True)
class Parser:
    """Code that takes a text of anybody's.

    Attributes:
        name: What it is called in reports.
        build: Imports it and returns it as a function of a text, without what it raises on purpose.
    """

    name: str
    build: Callable[[], Parse]


def calling(path: str, *arguments: object) -> Callable[[], Parse]:
    """Returns a builder for a function that takes the text first.

    Args:
        path: Module and name, as "palo.text.scripts:letters_by_script".
        arguments: What it takes besides.
    """

    def build() -> Parse:
        module, _, name = path.partition(":")
        function = getattr(import_module(module), name)
        return lambda text: function(text, *arguments)

    return build


_NORMALIZE = "palo.translate.normalizers.normalize"
_SPANS = "palo.translate.protected_spans"

PARSERS = (
    *(Parser(f"normal_form {script}", calling("palo.text.normal_form:normal_form", script))
      for script in ("Latn", "Arab", "Thai")),
    *(Parser(f"language_of.judge {code}", text_parts.language_judgment(code))
      for code in ("en", "ur", "ja")),
    Parser("scripts", calling("palo.text.scripts:letters_by_script")),
    Parser("text for a terminal", calling("palo.terminal:visible")),
    Parser("SentencePiece", text_parts.encode("pieces")),
    Parser("SentencePiece, conversation that is cut", text_parts.encode_conversation("pieces")),
    Parser("JSON tokenizer", text_parts.encode("json")),
    Parser("text stream with stop texts", text_parts.stream),
    *(Parser(f"clean {code}", calling(f"{_NORMALIZE}:normalize_translation", code))
      for code in languages.codes()),
    Parser("fixed_spans", calling(f"{_SPANS}.spans:fixed_spans")),
    Parser("quotations", text_parts.listing(f"{_SPANS}.spans:quotations")),
    *(Parser(f"quantities {code}", calling(f"{_SPANS}.quantities:quantities", code))
      for code in ("en", "zh", "hi")),
    *(Parser(f"values_in {code}", calling(f"{_SPANS}.numbers:values_in", code))
      for code in ("en", "ja")),
    Parser("protect and restore", text_parts.protect_and_restore),
    Parser("verify_spans", text_parts.verify_spans),
    Parser("glossary terms", text_parts.glossary_terms),
    *(Parser(f"quality checks {code}", text_parts.quality_checks(code)) for code in ("fr", "zh")),
    Parser("translator's reply", text_parts.translators_reply),
    Parser("judge's verdict, JSON", text_parts.verdict("json")),
    Parser("judge's verdict, lines", text_parts.verdict("lines")),
    Parser("measures of an answer", text_parts.measures),
    Parser(
        "offline judge",
        calling("palo.evaluate.judging.offline:similarity_features", "is it", "it is"),
    ),
    Parser("exact match", calling("palo.metrics.matching:exact", ("a reference",))),
    Parser("markup", text_parts.markup),
    Parser("cookies", wire_parts.cookie_header),
    Parser("chat request, its question", wire_parts.chat_request(is_body=False)),
    Parser("chat request, its body", wire_parts.chat_request(is_body=True)),
    Parser("data: URL", wire_parts.data_url),
    Parser("row, its turns", wire_parts.row(is_whole=False)),
    Parser("row, all of it", wire_parts.row(is_whole=True)),
    Parser("JSON file", wire_parts.file_in("a.json", wire_parts.json_file)),
    Parser("TOML file", wire_parts.file_in("a.toml", wire_parts.toml_file)),
    Parser("model's config.json", wire_parts.file_in("config.json", wire_parts.model_config)),
    Parser("table of a reviewer", wire_parts.file_in("a.csv", wire_parts.review_table)),
    Parser("server's reply", wire_parts.servers_reply),
    Parser("server's stream", wire_parts.servers_stream),
    Parser("server's error", wire_parts.servers_error),
    Parser("refusal of a server", wire_parts.refusal),
    Parser("answer behind reasoning", calling("palo.endpoint.reply_text:without_thinking")),
    Parser("Retry-After", calling("palo.retries:retry_after_s", 0.0)),
    Parser("address of a server",
           text_parts.listing("palo.endpoint.credentials:address_faults")),
    Parser("address of an image", calling("palo.images.image_folder:host_of")),
)  # fmt: skip
"""Every parser, in the order of the table."""


def worst_costs(parts_of_names: Sequence[str] = ()) -> Iterator[tuple[str, Cost | None]]:
    """Yields the name of each parser, and what it costs on its worst text.

    None stands for a parser that this version of the library doesn't have.

    Args:
        parts_of_names: Measures only parsers with one of these in their names; empty for all.
    """
    texts = hostile_texts()
    for parser in PARSERS:
        if parts_of_names and not any(part in parser.name for part in parts_of_names):
            continue
        try:
            parse = parser.build()
        except (ImportError, AttributeError):
            yield parser.name, None
            continue
        (name,) = worst_texts(parse, texts, most=1)
        yield parser.name, cost_at((SMALL, LARGE), parse, name, texts[name])


def table(rows: Iterator[tuple[str, Cost | None]]) -> Iterator[str]:
    """Yields the lines of a table in Markdown as they are measured."""
    yield f"| parser | worst text | {SMALL // 1024} KB (CPU ms) | {LARGE // 1024} KB (CPU ms) |"
    yield "|---|---|---|---|"
    for name, cost in rows:
        if cost is None:
            yield f"| {name} | not in this version | | |"
        else:
            yield f"| {name} | {cost.text} | {_ms(cost.small_s)} | {_ms(cost.large_s)} |"


def _ms(seconds: float) -> str:
    return "too long" if math.isinf(seconds) else f"{1000 * seconds:,.0f}"


if __name__ == "__main__":
    for line in table(worst_costs(sys.argv[1:])):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
