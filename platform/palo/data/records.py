"""Records: one conversation in one language about at most one image, checked when it is read.

In a source one `<image>` in a user's turn is the image's place. It moves to the front of that
turn, as LLaVA does; anywhere else the markup makes the record bad, so that nothing is trained with
an image in an unintended place. A record whose image has no place is bad too: LLaVA would train it
as text only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

import pyarrow as pa

from palo.data.provenance import Provenance, read_provenance
from palo.data.turns import PLACE, BadRow, is_writable, turns_of, writable
from palo.images.image_folder import ImagePath, host_of
from palo.reasons import Reason
from palo.storage import names_a_store
from palo.text.messages import Conversation, Turn

_LLAVA_ROLES = {"user": "human", "assistant": "gpt"}
_MAX_OWN_ID = 120
_MAX_PATH = 4096
_TRANSLATION = "_conversation"

_TURN = pa.struct(
    [
        pa.field("role", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("num_images", pa.int8(), nullable=False),
    ]
)

RECORD_SCHEMA = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("licence", pa.string(), nullable=False),
        pa.field("image", pa.string()),
        pa.field("turns", pa.list_(_TURN), nullable=False),
        pa.field("origin_record_id", pa.string()),
        pa.field("translator", pa.string()),
        pa.field("gates", pa.map_(pa.string(), pa.string())),
    ]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One conversation.

    Attributes:
        record_id: Its source, own id and row offset: unique within a corpus.
        language: ISO 639-1 code.
        source: Name of the source.
        licence: Licence of the source.
        image: Path of the image; None for text only.
        turns: Roles and texts, and the place of the image.
        origin_record_id: For a translation, the record that it was translated from.
        translator: For a translation, the name of the translator.
        gates: For a translation, results of its quality checks.
    """

    record_id: str
    language: str
    source: str
    licence: str
    image: str | None
    turns: tuple[Turn, ...]
    origin_record_id: str | None = None
    translator: str | None = None
    gates: Mapping[str, str] | None = None

    def to_llava(self) -> dict[str, object]:
        """Returns the record in LLaVA's format, for people to repair and feed back."""
        turns = [
            {
                "from": _LLAVA_ROLES[turn.role],
                "value": "\n".join([PLACE] * turn.num_images + [turn.text]),
            }
            for turn in self.turns
        ]
        row: dict[str, object] = {
            "id": self.record_id,
            "language": self.language,
            "conversations": turns,
        }
        provenance = {name: value for name in Provenance._fields if (value := getattr(self, name))}
        return row | ({} if self.image is None else {"image": self.image}) | provenance

    @property
    def conversation(self) -> Conversation:
        """The turns as the text package takes them."""
        return Conversation(self.turns)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A row that is no record.

    Attributes:
        reason: Why.
        detail: What was seen.
        language: Its language where it is known, else "unknown".
    """

    reason: Reason
    detail: str = ""
    language: str = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """The properties that the rows of one source share.

    Attributes:
        source: Name of the source.
        licence: Its licence.
        language: Language of rows that don't name theirs.
        image_folder: Folder or archive that the rows' image paths start from.
        allowed_hosts: Servers and buckets that a row's image may be a URI of.
        languages: Codes that are allowed. Passed, not looked up: a language that was registered at
            run time is unknown in worker processes.
        names: English names of `languages`, in their order; PALO's rows name their language so.
    """

    source: str
    licence: str = ""
    language: str | None = None
    image_folder: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    languages: tuple[str, ...]
    names: tuple[str, ...] = ()


def parse_llava(row: object, origin: Origin, row_offset: str = "") -> Record | Rejected:
    """Makes a record of a row in LLaVA's format: id, image, conversations of {from, value}.

    The common chat format is read too: images, messages of {role, content}; content may be a list
    of parts, each a text or the place of an image.

    A translated row may have a provenance, see `palo.data.provenance`. In PALO's data it also has
    its turns under `{language}_conversation`, which names its language, and may be marked as
    corrupt; the repeated turns are not read.

    Args:
        row: A decoded JSON value.
        origin: What the rows of its source have in common.
        row_offset: The row's offset in the source; becomes part of the record's id.

    Returns:
        The record, or the reason why there is none.
    """
    language = "unknown"
    try:
        if not isinstance(row, dict):
            raise BadRow(Reason.NOT_A_RECORD, type(row).__name__)
        language = _language(row, origin)
        if row.get("corrupt") is True:
            raise BadRow(Reason.CORRUPT)
        image = _image(row, origin)
        conversations = row.get("conversations", row.get("messages"))
        turns = turns_of(conversations, has_image=image is not None)
        provenance = _provenance(row)
        own_id = writable(str(row.get("id", ""))[:_MAX_OWN_ID])
    except BadRow as bad:
        return Rejected(reason=bad.reason, detail=bad.detail, language=language)
    except RecursionError:  # in writing what was seen
        return Rejected(reason=Reason.NOT_A_RECORD, detail="nested too deeply", language=language)
    return Record(
        record_id=f"{origin.source}/{own_id}@{row_offset}",
        language=language,
        source=origin.source,
        licence=origin.licence,
        image=image,
        turns=turns,
        **provenance._asdict(),
    )


def _provenance(row: Mapping[str, object]) -> Provenance:
    try:
        return read_provenance(row)
    except ValueError as error:
        raise BadRow(Reason.WRONG_PROVENANCE, error) from error


def _language(row: Mapping[str, object], origin: Origin) -> str:
    code = row.get("language") or _translated_to(row, origin) or origin.language
    if not isinstance(code, str) or code not in origin.languages:
        raise BadRow(Reason.UNKNOWN_LANGUAGE, code if code is not None else "row names none")
    return code


def _translated_to(row: Mapping[str, object], origin: Origin) -> str | None:
    """Returns the language that a row's `{language}_conversation` names, None if it has none."""
    keys = [key for key in row if key.endswith(_TRANSLATION)]
    if not keys:
        return None
    codes = _codes_by_name(origin.names, origin.languages)
    found = codes.get(keys[0].removesuffix(_TRANSLATION).lower())
    # The source's language would be a guess for a row that says something else about itself.
    if len(keys) > 1 or found is None:
        raise BadRow(Reason.UNKNOWN_LANGUAGE, ", ".join(keys))
    return found


@lru_cache(maxsize=8)
def _codes_by_name(names: tuple[str, ...], codes: tuple[str, ...]) -> dict[str, str]:
    return {name.lower().replace(" ", "_"): code for name, code in zip(names, codes, strict=True)}


def _image(row: Mapping[str, object], origin: Origin) -> str | None:
    path = row.get("image")
    if path is None and isinstance(images := row.get("images"), list):
        if len(images) > 1:
            raise BadRow(Reason.WRONG_IMAGE_FIELD, f"{len(images)} images")
        path = images[0] if images else None
    if path is None:
        return None
    if isinstance(path, ImagePath):
        return str(path)
    if not isinstance(path, str) or not 0 < len(path) <= _MAX_PATH or "\0" in path:
        raise BadRow(Reason.WRONG_IMAGE_FIELD, repr(path))
    if not is_writable(path):
        raise BadRow(Reason.WRONG_IMAGE_FIELD, repr(path))
    if "://" in path and _is_allowed_uri(path, origin):
        return path
    if origin.image_folder is None:
        raise BadRow(Reason.NO_IMAGE_FOLDER, path)
    if _is_plain(path):
        return f"{origin.image_folder}/{path}"
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or names_a_store(path):
        raise BadRow(Reason.IMAGE_OUTSIDE, repr(path))
    return f"{origin.image_folder}/{pure}"


def _is_plain(path: str) -> bool:
    """Tells whether a path is surely relative, without a part that leads elsewhere or nowhere."""
    ends = path[0] not in "./" and path[-1] != "/"
    return ends and not any(mark in path for mark in ("//", "/.", "?"))


def _is_allowed_uri(path: str, origin: Origin) -> bool:
    try:
        host = host_of(path)
    except ValueError:
        raise BadRow(Reason.WRONG_IMAGE_FIELD, repr(path)) from None
    if host is not None and host not in origin.allowed_hosts:
        raise BadRow(Reason.IMAGE_HOST, host)
    return host is not None
