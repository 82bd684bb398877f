"""Records: one conversation in one language about at most one image, checked when it is read.

In a source one `<image>` in a user's turn is the image's place. It moves to the front of that
turn, as LLaVA does; anywhere else the markup makes the record bad, so that nothing is trained with
an image in an unintended place. An image without a place comes first, or makes the record bad, as
its source says: LLaVA would train it as text only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from palo.data.bad_row import BadRow, writable
from palo.data.image_markup import PLACE
from palo.data.layouts import CAPTION_KEYS, OTHER_KEYS, PAIR_KEYS, TURN_KEYS, row_turns
from palo.data.provenance import Provenance, read_provenance
from palo.data.row_images import image_of
from palo.data.row_language import LANGUAGE_KEYS, caption_question, row_language
from palo.data.turns import placed_turns, said_turns
from palo.languages import Language
from palo.reasons import Reason
from palo.text.messages import Conversation, Turn

_LLAVA_ROLES = {"user": "human", "assistant": "gpt"}
_MAX_OWN_ID = 120
_NO_IMAGES = frozenset(
    (
        *TURN_KEYS,
        *(key for pair in PAIR_KEYS for key in pair),
        *CAPTION_KEYS,
        *OTHER_KEYS,
        *LANGUAGE_KEYS,
        *Provenance._fields,
    )
)

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
        pa.field("system", pa.string()),
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
        system: System text; None takes the template's own.
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
    system: str | None = None
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
        own = {"image": self.image, "system": self.system}
        return row | {key: value for key, value in own.items() if value is not None} | provenance

    @property
    def conversation(self) -> Conversation:
        """The turns as the text package takes them."""
        return Conversation(self.turns, self.system)


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
        known: What is known of these languages; other names of them are read if it is given.
        image_place: Where an image without `<image>` goes: before the first question; or nowhere,
            where every image must be marked.
    """

    source: str
    licence: str = ""
    language: str | None = None
    image_folder: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    languages: tuple[str, ...]
    known: tuple[Language, ...] = ()
    image_place: Literal["first", "marked"] = "first"


def parse_llava(row: object, origin: Origin, row_offset: str = "") -> Record | Rejected:
    """Makes a record of a row: a conversation, or a caption, and perhaps the path of an image.

    LLaVA's format is id, image, conversations of {from, value}. `palo.data.layouts` has the others.

    A translated row may have a provenance, see `palo.data.provenance`. In PALO's data it also has
    its turns under `{language}_conversation`, which names its language, and may be marked as
    corrupt; the repeated turns are not read.

    Args:
        row: A decoded JSON value. A list is a conversation without anything else.
        origin: What the rows of its source have in common.
        row_offset: The row's offset in the source; becomes part of the record's id.

    Returns:
        The record, or the reason why there is none.
    """
    language = "unknown"
    try:
        if isinstance(row, list) and row and all(isinstance(turn, dict) for turn in row):
            row = {"conversations": row}
        if not isinstance(row, dict):
            raise BadRow(Reason.NOT_A_RECORD, type(row).__name__)
        language = row_language(row, origin)
        if row.get("corrupt") is True:
            raise BadRow(Reason.CORRUPT)
        said = said_turns(row_turns(row), caption_question(language, origin.known))
        image = image_of(row, said.named, origin, _NO_IMAGES)
        turns = placed_turns(said, has_image=image is not None, place=origin.image_place)
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
        system=said.system,
        **provenance._asdict(),
    )


def _provenance(row: Mapping[str, object]) -> Provenance:
    try:
        return read_provenance(row)
    except ValueError as error:
        raise BadRow(Reason.WRONG_PROVENANCE, error) from error
