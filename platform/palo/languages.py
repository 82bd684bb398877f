"""The languages of the platform: the only list of them anywhere.

An eleventh language is a folder of files (see `palo.language_files`), one more entry in `_ENTRIES`,
or one call of `register` at run time.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from palo.config import from_dict
from palo.errors import ConfigError
from palo.language_files import added_codes, added_folder, forget_read_files, language_entries


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """What the platform needs to know about one language.

    Attributes:
        code: ISO 639-1 code, the word that every table and file uses.
        name: English name.
        native_name: The language's name in itself.
        script: ISO 15924 code of the script that it is written in.
        direction: Direction of its lines.
        resource: Class in the PALO paper's averages (section 4.2): high or low.
        full_stop: Mark that ends a statement.
        question_mark: Mark that ends a question.
        quotes: Opening and closing quotation mark.
        digits: Its ten digits in ascending order, as its everyday text writes them.
        own_letters: Letters that no other language of its script here writes; they identify it.
        answer_wish: Asks, in the language itself, for an answer in it; in English if left empty.
        usual_letters: Letters of its everyday text that the others use in foreign names at most.
        unwritten_letters: Letters that it doesn't write though other languages of its script do.
        caption_wish: Asks, in the language itself, for a description of an image; in English if
            left empty.
        other_codes: Its codes in ISO 639-2 and 639-3, by which data may name it.
        llama_tokens: Tokens of LLaMA's tokenizer for a text, over those of its English version, as
            measured on translated sentences; plans assume it before a corpus is built.
    """

    code: str
    name: str
    native_name: str
    script: str
    direction: Literal["ltr", "rtl"] = "ltr"
    resource: Literal["high", "low"] = "high"
    full_stop: str = "."
    question_mark: str = "?"
    quotes: tuple[str, str] = ("“", "”")
    digits: str = "0123456789"
    own_letters: str = ""
    answer_wish: str = ""
    usual_letters: str = ""
    unwritten_letters: str = ""
    caption_wish: str = ""
    other_codes: tuple[str, ...] = ()
    llama_tokens: float = 2.0

    def __post_init__(self) -> None:
        if not (self.code.isascii() and self.code.isalpha() and self.code.islower()):
            raise ConfigError(
                "a language code has only lower-case Latin letters",
                seen=self.code,
                fix="Use its ISO 639-1 code.",
            )
        if len(self.digits) != 10:
            raise ConfigError(
                f"language {self.code} needs ten digits",
                seen=len(self.digits),
                fix="List them from zero to nine.",
            )
        if not self.answer_wish:
            object.__setattr__(self, "answer_wish", f"Answer in {self.name}.")


_ENTRIES = (
    Language(
        code="en",
        name="English",
        native_name="English",
        script="Latn",
        answer_wish="Answer in English.",
        caption_wish="Describe this image.",
        other_codes=("eng",),
        llama_tokens=1.0,
    ),
    Language(
        code="zh",
        name="Chinese",
        native_name="中文",
        script="Hans",
        full_stop="。",
        question_mark="？",
        answer_wish="请用中文回答。",
        caption_wish="请描述这张图片。",
        other_codes=("zho", "chi", "cmn"),
        llama_tokens=2.0,
    ),
    Language(
        code="fr",
        name="French",
        native_name="Français",
        script="Latn",
        question_mark="\u00a0?",
        quotes=("«\u00a0", "\u00a0»"),
        answer_wish="Répondez en français.",
        caption_wish="Décrivez cette image.",
        other_codes=("fra", "fre"),
        llama_tokens=1.4,
    ),
    Language(
        code="es",
        name="Spanish",
        native_name="Español",
        script="Latn",
        quotes=("«", "»"),
        answer_wish="Responde en español.",
        caption_wish="Describe esta imagen.",
        other_codes=("spa",),
        llama_tokens=1.4,
    ),
    Language(
        code="ru",
        name="Russian",
        native_name="Русский",
        script="Cyrl",
        quotes=("«", "»"),
        answer_wish="Ответьте на русском языке.",
        unwritten_letters="іїєґўјљњђћџѓќѕәғқңөұүһҗҡҙҫӣӯҳҷІЇЄҐЎЈЉЊЂЋЏЃЌЅӘҒҚҢӨҰҮҺҖҠҘҪӢӮҲҶ",
        caption_wish="Опишите это изображение.",
        other_codes=("rus",),
        llama_tokens=1.7,
    ),
    Language(
        code="ja",
        name="Japanese",
        native_name="日本語",
        script="Jpan",
        full_stop="。",
        question_mark="？",
        quotes=("「", "」"),
        answer_wish="日本語で答えてください。",
        caption_wish="この画像を説明してください。",
        other_codes=("jpn",),
        llama_tokens=2.1,
    ),
    Language(
        code="ar",
        name="Arabic",
        native_name="العربية",
        script="Arab",
        direction="rtl",
        resource="low",
        question_mark="؟",
        quotes=("«", "»"),
        digits="٠١٢٣٤٥٦٧٨٩",
        answer_wish="أجب باللغة العربية.",
        usual_letters="يىكةأإ",
        unwritten_letters="ٹڈڑںےۓټډړږښځڅېۍګڼۇۆۈۋەێڵڕٻڀٺٽٿڃڄڇڊڏڌڍڙڦڪڱڳڻ",
        caption_wish="صف هذه الصورة.",
        other_codes=("ara", "arb"),
        llama_tokens=3.5,
    ),
    Language(
        code="hi",
        name="Hindi",
        native_name="हिन्दी",
        script="Deva",
        resource="low",
        full_stop="।",
        digits="०१२३४५६७८९",
        answer_wish="हिन्दी में उत्तर दीजिए।",
        unwritten_letters="ऱऴ",
        caption_wish="इस चित्र का वर्णन कीजिए।",
        other_codes=("hin",),
        llama_tokens=4.7,
    ),
    Language(
        code="bn",
        name="Bengali",
        native_name="বাংলা",
        script="Beng",
        resource="low",
        full_stop="।",
        digits="০১২৩৪৫৬৭৮৯",
        answer_wish="বাংলায় উত্তর দিন।",
        unwritten_letters="ৰৱ",
        caption_wish="এই ছবিটির বর্ণনা দিন।",
        other_codes=("ben",),
        llama_tokens=5.3,
    ),
    Language(
        code="ur",
        name="Urdu",
        native_name="اردو",
        script="Arab",
        direction="rtl",
        resource="low",
        full_stop="۔",
        question_mark="؟",
        digits="۰۱۲۳۴۵۶۷۸۹",
        own_letters="ٹڈڑںےۓہھ",
        answer_wish="اردو میں جواب دیجیے۔",
        usual_letters="یکگپچ",
        unwritten_letters="ةټډړږښځڅۍګڼۇۆۈۋەێڵڕٻڀٺٽٿڃڄڇڊڏڌڍڙڦڪڱڳڻ",
        caption_wish="اس تصویر کو بیان کیجیے۔",
        other_codes=("urd",),
        llama_tokens=4.1,
    ),
)

BUILT_IN = tuple(entry.code for entry in _ENTRIES)
"""Codes of the package's own languages, in the order of the paper's tables."""

_registry: dict[str, Language] = {entry.code: entry for entry in _ENTRIES}


def get(code: str) -> Language:
    """Returns the language of an ISO 639-1 code.

    Args:
        code: ISO 639-1 code.

    Raises:
        ConfigError: If the registry has no such language.
    """
    present = _all()
    try:
        return present[code]
    except KeyError:
        raise ConfigError(
            "unknown language",
            seen=repr(code),
            fix=f"Use one of {', '.join(present)}, or add it with jobs/add_language.py.",
        ) from None


def known(code: object) -> bool:
    """Returns whether the registry has a language of this code.

    Args:
        code: Any text.
    """
    return code in _all()


def unknown_faults(wanted: Iterable[str]) -> Iterator[str]:
    """Yields a clause for each code of a setting `languages` that the registry doesn't have.

    Args:
        wanted: The setting.
    """
    for code in wanted:
        if not known(code):
            yield f"languages has {code!r}, not one of {', '.join(codes())}"


def codes() -> tuple[str, ...]:
    """Returns every code: in the order of the paper's tables, then those that were added."""
    return tuple(_all())


def every() -> Iterator[Language]:
    """Yields every language, in the order of `codes`."""
    yield from _all().values()


def register(language: Language) -> None:
    """Adds one more language to the registry of this process.

    Args:
        language: The language.

    Raises:
        ConfigError: If the code is taken by another language.
    """
    present = _registry.setdefault(language.code, language)
    if present != language:
        raise ConfigError(
            f"language code {language.code} is taken",
            seen=present.name,
            fix="Choose another code, or change the entry in palo.languages.",
        )


def reread() -> None:
    """Has the added languages read again, since their files have changed."""
    forget_read_files()
    _added.cache_clear()


def _all() -> Mapping[str, Language]:
    folder = added_folder()
    return _registry if folder is None else {**_registry, **_added(folder)}


@lru_cache(maxsize=8)
def _added(folder: Path) -> Mapping[str, Language]:
    """Reads the languages of a user's folder.

    Raises:
        ConfigError: If one is a built-in language, or its facts are wrong.
    """
    found = {}
    for code in added_codes():
        if code in BUILT_IN:
            raise ConfigError(
                f"{folder} has a folder of a built-in language",
                seen=code,
                fix="Remove it: the files of built-in languages are in the package.",
            )
        try:
            facts = {"resource": "low"} | dict(language_entries(code, "language"))
            found[code] = from_dict(Language, facts | {"code": code})
        except ConfigError as error:
            raise ConfigError(
                f"{folder / code / 'language.toml'}: {error.fact}", seen=error.seen, fix=error.fix
            ) from error
    return found
