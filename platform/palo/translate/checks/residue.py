"""The check for residue: signs, markup, roles and broken letters that the source lacks.

People hardly write angle brackets, backslashes or arrows. What a source has fewer of was left by a
model, by its template or by an encoding. Spans that must stay are part of the source, and count.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import islice

from palo.text.scripts import letters_by_script
from palo.translate.checks.case import CheckCase, Side, fault
from palo.translate.checks.comments import is_excused
from palo.translate.language_profiles.profile import language_profile
from palo.translate.translated import CheckResult

# Emoji, arrows, boxes and mathematical brackets; letters of tokenizers; Unicode's special
# characters, U+FFFD among them; marks of direction that hide others; control characters.
_SIGNS = re.compile(
    r"~~|[<>{}\[\]【】〔〕\\`|^*_#=@Ġ"
    "\u2190-\u21ff\u2300-\u23ff\u2500-\u27ff\u2900-\u2bff\U0001f000-\U0001faff\ufe0f\ue000-\uf8ff"
    "\ufff0-\uffff\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
# Clean-up resolves some of them, and sets spaces within the others.
_ENTITY = re.compile(r"&(#?\w{1,10});", re.ASCII)
_SAME = str.maketrans("【】〔〕", "[][]")
_AROUND = 20
_TOKENS = re.compile(r"</?[^<>\s]{1,30}>?|\[/?[^\[\]\s]{1,30}\]|&#?\w{1,10};|\\u?\w{0,4}")
_ADDRESS = re.compile(r"https?://|www\.", re.IGNORECASE)
_ROLES = (
    "user", "assistant", "human", "gpt", "chatgpt", "system", "bot", "ai", "model", "q", "a",
    "question", "answer", "chatbot", "input", "output", "response", "translation", "translated",
    "translated text", "text", "source", "target", "turn",
)  # fmt: skip
_AI = "(?:ai|ia|ии)"
# Whatever page a text's UTF-8 was read in, its runs are no words, and become words once reversed.
_PAGES = ("latin-1", "cp1251", "cp1256")
_HAN_PAGES = ("gbk", "cp932")
_HAN = re.compile("[\u4e00-\u9fff\uff61-\uff9f]")
# Windows' Western page is Latin-1 with signs in the place of control characters.
_TO_LATIN_1 = {
    ord(bytes([byte]).decode("cp1252")): byte
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_FOREIGN_RUN = re.compile(r"[^\x00-\x7f]{6,}")
_MOST_RUNS = 3
_LONGEST_RUN = 120
_FEWEST_LETTERS = 2
_MOST_LOST = 4
"""A run may begin and end within a letter: so many bytes belong to none."""

# An accented letter of a Latin text: its first byte reads as one of these, its second as none.
_ACCENT_MISREAD = re.compile(
    "Ã(?![A-Z])|[ÂÅ][\u0080-\u00a9\u00ab-\u00ba\u00bc-\u00bf]|â(?:\x80|€)|ï¿½"
)


def residue(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn with markup, signs, roles or broken letters that its source lacks.

    Args:
        case: The translation and its source.
    """
    roles = _roles(case.language.code)
    for side, turn in zip(case.sides, case.request.source.turns, strict=True):
        source = turn.text
        if found := _sign(side.text, source):
            yield fault("residue", side, f"The source has no {found}.", 1.0)
        elif (entity := _entity(side)) and entity not in source:
            yield fault("residue", side, f'The source has no "{entity};".', 1.0)
        elif (run := _misread(side.draft, case.scripts)) and run not in source:
            reason = f"The letters {run!r} are UTF-8 that was read in another encoding."
            yield fault("residue", side, reason, 1.0)
        elif (role := _role(side.text, roles)) and not (
            _has_role(source, role) or _is_of_translating(case, side, role)
        ):
            yield fault("residue", side, f"This turn names a role: {role!r}.", 1.0)
        elif len(_ADDRESS.findall(side.text)) > len(_ADDRESS.findall(source)):
            yield fault("residue", side, "The source has no such address.", 1.0)


def _sign(text: str, source: str) -> str:
    """Returns the markup, or the sign, that a text has and its source hasn't; "" for none."""
    if _SIGNS.search(text) is None:
        return ""
    more = Counter(_SIGNS.findall(text.translate(_SAME))) - Counter(
        _SIGNS.findall(source.translate(_SAME))
    )
    if not more:
        return ""
    sign = next(iter(more))
    for token in _TOKENS.findall(text):
        if token[0] == sign and len(token) > 1 and token not in source:
            return f'"{token}"'
    if sign.isascii() and sign.isprintable():
        return f'"{sign}"'
    return f'"{sign}" (U+{ord(sign):04X})' if sign.isprintable() else f"U+{ord(sign):04X}"


def _entity(side: Side) -> str:
    """Returns an entity of HTML that clean-up has left, without its semicolon; "" for none."""
    found = (f"&{match[1]}" for match in _ENTITY.finditer(side.draft))
    return next((entity for entity in found if entity in side.text), "")


@cache
def _roles(language: str) -> re.Pattern[str]:
    """Returns a pattern for a role that begins a turn, a line or a sentence, and its colon."""
    names = {*_ROLES, *language_profile(language).roles, *language_profile("en").roles}
    longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(
        rf"(?:^|[\n.!?。！？۔।؟>])[\s*#\"(\[]{{0,3}}(?:{_AI}[\s-]?)?(?:{longest_first})(?:\s{_AI})?(?:\s?\d{{1,3}})?[\s*]{{0,2}}[:：]",
        re.IGNORECASE,
    )


def _role(text: str, roles: re.Pattern[str]) -> str:
    if ":" not in text and "：" not in text:
        return ""
    found = roles.search(text)
    return found[0].lstrip("\n.!?。！？۔।؟> ") if found else ""


def _is_of_translating(case: CheckCase, side: Side, role: str) -> bool:
    """Returns whether a role is a translation's, and the source speaks of translating."""
    stems = case.profile.excuses.get("work", ())
    return any(stem in role.lower() for stem in stems) and is_excused(case, side, "work")


def _has_role(source: str, role: str) -> bool:
    """Returns whether a source has a role, or, for a translated one, as early a colon."""
    if role.isascii():
        return role.strip() in source
    return 0 <= source.find(":") <= 2 * len(role)


def _misread(text: str, scripts: tuple[str, ...]) -> str:
    """Returns letters that are the UTF-8 of others, read in another encoding; "" for none."""
    if text.isascii():
        return ""
    if "Latn" in scripts:
        found = _ACCENT_MISREAD.search(text)
        return text[found.start() : found.start() + 2] if found else ""
    for found in islice(_FOREIGN_RUN.finditer(text), _MOST_RUNS):
        run = found[0][:_LONGEST_RUN]
        pages = _PAGES if _HAN.search(run) is None else _HAN_PAGES
        if any(_is_misread(run, page, scripts) for page in pages):
            return run[:_AROUND]
    return ""


def _is_misread(run: str, page: str, scripts: tuple[str, ...]) -> bool:
    """Returns whether a run of letters is the UTF-8 of some scripts, read in an encoding."""
    try:
        raw = (run.translate(_TO_LATIN_1) if page == "latin-1" else run).encode(page)
    except UnicodeEncodeError:
        return False
    text = raw.decode("utf-8", "ignore")
    if len(raw) - len(text.encode()) > _MOST_LOST:
        return False
    letters = letters_by_script(text)
    return sum(letters.get(script, 0) for script in scripts) >= _FEWEST_LETTERS
