"""Conversation templates as data: how turns become pieces of text and control tokens.

A template is a few tuples of pieces, so adding one is one entry. Neighbouring pieces of text form
one chunk, which goes to the tokenizer as a whole; a control token, an image, `Slot.SPACE` and the
end of a tuple end a chunk. This decides the ids: SentencePiece puts a space before every chunk.
"""

from dataclasses import dataclass, replace
from enum import Enum


class Slot(Enum):
    """A place that is filled for each conversation, turn or tokenizer."""

    BOS = "bos"  # the tokenizer's own first token; nothing where it has none
    EOS = "eos"
    SYSTEM = "system"
    IMAGES = "images"  # one sentinel per image, at the front of the user's words
    QUESTION = "question"
    ANSWER = "answer"
    SPACE = "space"  # a space that begins a new chunk: SentencePiece's own, else written out


@dataclass(frozen=True, slots=True)
class Control:
    """A control token of the tokenizer, by its name."""

    token: str


Piece = str | Slot | Control


# Compared by identity: a template is looked up for every conversation, and hashing one is slow.
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Template:
    """How a conversation is laid out.

    A sample is `start`, `system` (where there is a system text), then for each round `question`
    and `answer`, with `between` before every round but the sample's first.

    Attributes:
        name: Key in TEMPLATES.
        start: First pieces of every sample.
        system: Pieces around the system text.
        system_text: System text of conversations that bring none.
        question: Pieces of a round that are read, up to where the assistant begins.
        answer: Pieces of a round that are trained, up to the token that ends the turn.
        between: Pieces from one round to the next.
        after_image: Text between the last image of a turn and its words.
        caption: Whether it is for one captioned image: exactly two turns, with an image.
        trims: Whether white space around every text goes, as in templates that say so themselves.
    """

    name: str
    start: tuple[Piece, ...] = ()
    system: tuple[Piece, ...] = ()
    system_text: str = ""
    question: tuple[Piece, ...]
    answer: tuple[Piece, ...]
    between: tuple[Piece, ...] = ()
    after_image: str = "\n"
    caption: bool = False
    trims: bool = False


_VICUNA_V1 = Template(
    name="vicuna_v1",
    start=(Slot.BOS,),
    system=(Slot.SYSTEM,),
    system_text=(
        "A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions."
    ),
    question=(Slot.SPACE, "USER: ", Slot.IMAGES, Slot.QUESTION, " ASSISTANT:"),
    answer=(Slot.SPACE, Slot.ANSWER, Slot.EOS),
)

# For projector pretraining: the human's words are left out, and all after the image is trained.
_PLAIN = Template(
    name="plain",
    start=(Slot.BOS,),
    question=(Slot.IMAGES,),
    answer=(Slot.ANSWER, "\n"),
    caption=True,
)

_IM_START, _IM_END = Control("<|im_start|>"), Control("<|im_end|>")
_CHATML = Template(
    name="chatml",
    system=(_IM_START, "system\n", Slot.SYSTEM, _IM_END, "\n"),
    system_text="You are a helpful AI assistant that can see images.",
    question=(
        _IM_START,
        "user\n",
        Slot.IMAGES,
        Slot.QUESTION,
        _IM_END,
        "\n",
        _IM_START,
        "assistant\n",
    ),
    answer=(Slot.ANSWER, _IM_END),
    between=("\n",),
)

# Qwen3's own is ChatML without a system text. Its models that can think aloud begin an answer
# without a thought by an empty one; those that can't (Instruct-2507, Base) have none.
_QWEN3 = replace(_CHATML, name="qwen3", system_text="")
_QWEN3_HYBRID = replace(
    _QWEN3,
    name="qwen3_hybrid",
    question=(*_CHATML.question[:-1], "assistant\n<think>\n\n</think>\n\n"),
)

# Gemma has no role for a system text: it stands at the front of the user's first turn.
_TURN_START, _TURN_END = Control("<start_of_turn>"), Control("<end_of_turn>")
_GEMMA = Template(
    name="gemma",
    start=(Slot.BOS, _TURN_START, "user\n"),
    system=(Slot.SYSTEM, "\n\n"),
    question=(Slot.IMAGES, Slot.QUESTION, _TURN_END, "\n", _TURN_START, "model\n"),
    answer=(Slot.ANSWER, _TURN_END),
    between=("\n", _TURN_START, "user\n"),
    trims=True,
)

TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (_VICUNA_V1, _PLAIN, _CHATML, _QWEN3, _QWEN3_HYBRID, _GEMMA)
}
