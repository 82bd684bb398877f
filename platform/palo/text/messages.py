"""Conversations: turns, their roles, and the number of images with each.

Images are a count on the user's turn and never markup in its text: whatever the text holds is
words. Reading `<image>` out of a source's text is the work of palo.data.records.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "assistant"]
_ROLES: tuple[Role, Role] = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance.

    Args:
        role: The speaker.
        text: The words, taken literally.
        num_images: Images that the turn brings; their place is its front.

    Raises:
        ValueError: If the role is unknown, or images come with anybody but the user.
    """

    role: Role
    text: str
    num_images: int = 0

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise ValueError(f"a turn's role is user or assistant, got {self.role!r}")
        if self.num_images < 0 or (self.num_images and self.role != "user"):
            raise ValueError(f"a turn of the {self.role} can't bring {self.num_images} images")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns that alternate, the user's first, and perhaps a system text.

    Args:
        turns: At least one turn. It ends with the assistant's where it is trained on, and with the
            user's where an answer is asked for.
        system: System text; None takes the template's own, an empty one leaves it out.

    Raises:
        ValueError: If there is no turn, or the roles don't alternate from the user's.
    """

    turns: tuple[Turn, ...]
    system: str | None = None

    def __post_init__(self) -> None:
        if not self.turns:
            raise ValueError("a conversation needs at least one turn")
        for index, turn in enumerate(self.turns):
            if turn.role != _ROLES[index % 2]:
                raise ValueError(f"turn {index} must be the {_ROLES[index % 2]}'s, got {turn.role}")

    @property
    def num_images(self) -> int:
        """Images of all turns together."""
        return sum(turn.num_images for turn in self.turns)

    @property
    def is_answered(self) -> bool:
        """Whether the assistant has the last word."""
        return self.turns[-1].role == "assistant"

    def rounds(self) -> Iterator[tuple[Turn, Turn]]:
        """Yields each question with its answer; a last question without one is left out."""
        return zip(self.turns[::2], self.turns[1::2], strict=False)
