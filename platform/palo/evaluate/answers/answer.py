"""One answer of one model."""

from dataclasses import dataclass

from palo.endpoint.replies import FinishReason


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelAnswer:
    """What a model answered.

    Attributes:
        key: The question's, within its bench.
        text: Its words.
        finish_reason: stop: the model ended by itself; length: it was cut off; unknown.
    """

    key: str
    text: str
    finish_reason: FinishReason = "unknown"
