"""Why a row is left out of a corpus: the words that manifests, quarantine and messages use."""

from enum import StrEnum


class Reason(StrEnum):
    """Each value is a clause that reads well in a table."""

    NOT_UTF8 = "not UTF-8"
    NOT_JSON = "not JSON"
    NOT_A_RECORD = "not a record"
    TOO_LARGE = "record too large"
    NO_TURNS = "no turns"
    WRONG_ROLE = "wrong role"
    NOT_ALTERNATING = "turns don't alternate"
    NO_ANSWER = "last turn has no answer"
    NOT_TEXT = "turn is not text"
    EMPTY_TURN = "empty turn"
    UNKNOWN_LANGUAGE = "unknown language"
    CORRUPT = "marked as corrupt"
    TWO_PLACES = "two <image> places"
    PLACE_IN_ANSWER = "<image> in an answer"
    PLACE_WITHOUT_IMAGE = "<image> without a picture"
    IMAGE_WITHOUT_PLACE = "picture without <image>"
    WRONG_IMAGE_FIELD = "image field is not a path"
    IMAGE_OUTSIDE = "image path leaves its folder"
    IMAGE_HOST = "image's server is not allowed"
    NO_IMAGE_FOLDER = "source has no image folder"
    NOT_IN_LANGUAGE = "not in its language"
    DUPLICATE = "duplicate of an earlier record"
    IMAGE_MISSING = "image is missing"
    IMAGE_UNREADABLE = "image can't be read"
    IMAGE_FILE_TOO_LARGE = "image file too large"
    IMAGE_UNKNOWN = "not an image"
    IMAGE_DAMAGED = "image is damaged or cut off"
    IMAGE_TOO_LARGE = "image has too many pixels"
    IMAGE_TOO_SLOW = "image takes too long to decode"
    IMAGE_CRASHES = "image crashes the decoder"
    MISFIT = "doesn't fit the template"
    NO_ROOM = "no trained token fits in"


class SourceFault(StrEnum):
    """What makes a whole source file unusable."""

    EMPTY = "the source is empty"
    NOT_JSON = "the source is neither a JSON array nor JSON lines nor Parquet"
    CUT_OFF = "the source's JSON array is cut off"
    TRAILING = "the source has more text after its JSON array"
    UTF16 = "the source is UTF-16"
    CHANGED = "the source changed while it was read"
    NO_FILES = "the source has no files"
    NO_CONVERSATIONS = "the source's Parquet file has no conversations"
    DAMAGED = "the source's Parquet file is damaged"
