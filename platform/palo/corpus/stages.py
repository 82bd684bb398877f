"""The steps from a source's rows to samples, as a table of their columns and reasons.

Each step reads some columns, adds or rewrites some, and may drop rows for reasons of its own. For
every step rows in = rows out + rows dropped; the row counts refuse a reason that is not declared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from palo.reasons import Reason

StepName = Literal["parse", "clean", "image", "duplicate", "near_duplicate", "mixture", "encode"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step.

    Attributes:
        reads: Columns that it needs; parse takes a row's bytes instead.
        writes: Columns that it adds or rewrites.
        drops: Reasons for which it may drop a row.
        is_check: Whether the rows it drops are bad and may stop a build; else they are repeated or
            unwanted.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    drops: tuple[Reason, ...]
    is_check: bool = True


STEPS: Mapping[StepName, Step] = MappingProxyType(
    {
        "parse": Step(
            reads=(),
            writes=("record_id", "language", "source", "licence", "image", "turns", "system"),
            drops=(
                Reason.NOT_UTF8,
                Reason.NOT_JSON,
                Reason.NOT_A_RECORD,
                Reason.MORE_CELLS,
                Reason.TOO_LARGE,
                Reason.NO_TURNS,
                Reason.WRONG_ROLE,
                Reason.NOT_ALTERNATING,
                Reason.NO_ANSWER,
                Reason.NOT_TEXT,
                Reason.EMPTY_TURN,
                Reason.TURN_TOO_LONG,
                Reason.TOO_LONG,
                Reason.UNKNOWN_LANGUAGE,
                Reason.CORRUPT,
                Reason.TWO_PLACES,
                Reason.PLACE_IN_ANSWER,
                Reason.PLACE_WITHOUT_IMAGE,
                Reason.IMAGE_WITHOUT_PLACE,
                Reason.WRONG_PROVENANCE,
                Reason.WRONG_IMAGE_FIELD,
                Reason.MANY_IMAGES,
                Reason.IMAGE_NOT_READ,
                Reason.IMAGE_OUTSIDE,
                Reason.IMAGE_HOST,
                Reason.NO_IMAGE_FOLDER,
            ),
        ),
        "clean": Step(
            reads=("language", "turns"),
            writes=("turns", "row_offset", "digest"),
            drops=(Reason.EMPTY_TURN, Reason.NOT_IN_LANGUAGE),
        ),
        "image": Step(
            reads=("image",),
            writes=("image_id",),
            drops=(
                Reason.IMAGE_MISSING,
                Reason.IMAGE_UNREADABLE,
                Reason.IMAGE_HOST,
                Reason.IMAGE_SERVER_SILENT,
                Reason.IMAGE_FILE_TOO_LARGE,
                Reason.IMAGE_UNKNOWN,
                Reason.IMAGE_DAMAGED,
                Reason.IMAGE_TOO_LARGE,
                Reason.IMAGE_TOO_SLOW,
                Reason.IMAGE_CRASHES,
            ),
        ),
        "duplicate": Step(reads=("digest", "image_id"), drops=(Reason.DUPLICATE,), is_check=False),
        "near_duplicate": Step(
            reads=("language", "turns", "image_id"), drops=(Reason.NEAR_DUPLICATE,), is_check=False
        ),
        "mixture": Step(
            reads=("source", "language", "digest", "image_id"),
            drops=(Reason.NOT_CHOSEN,),
            is_check=False,
        ),
        "encode": Step(
            reads=("record_id", "language", "source", "turns", "image_id"),
            writes=("sample_id", "input_ids", "label_spans", "num_text_tokens", "truncated"),
            drops=(Reason.MISFIT, Reason.NO_ROOM),
        ),
    }
)
"""The steps of a build, in order."""
