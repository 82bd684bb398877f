"""A conversation with a model about one picture, answered piece by piece."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import torch

from palo.checkpoint.load import TrainedModel
from palo.errors import DataError
from palo.evaluate.answering import prompt_ids
from palo.evaluate.decoding import Choice, decode, greedy
from palo.evaluate.pictures import picture_features, preprocessing_of
from palo.text.encoding import stop_ids
from palo.text.messages import Conversation, Turn
from palo.text.streaming import TextStream


class ChatSession:
    """One conversation at a time, with or without a picture.

    Args:
        trained: The model.
        max_new_tokens: Most tokens of an answer.
        choose: How ids come from logits.
    """

    def __init__(
        self, trained: TrainedModel, *, max_new_tokens: int = 256, choose: Choice = greedy
    ) -> None:
        self._trained = trained
        self._max_new_tokens = max_new_tokens
        self._choose = choose
        self._features: torch.Tensor | None = None
        self._turns: list[Turn] = []

    def show(self, image: Path) -> None:
        """Starts a new conversation about another picture.

        Raises:
            ImageError: If the file is no picture that can be used; the old one then stays.
            StorageError: If it can't be read; the old one then stays.
        """
        preprocessing = preprocessing_of(self._trained)
        self._features = picture_features(self._trained.model, preprocessing, [image])
        self.restart()

    def restart(self) -> None:
        """Starts a new conversation about the same picture."""
        self._turns = []

    def ask(self, question: str) -> Generator[str]:
        """Answers, and remembers question and answer.

        Closing the iterator early ends the answer; what was said by then is remembered.

        Args:
            question: The user's words.

        Yields:
            The next piece of the answer, of whole characters.

        Raises:
            DataError: If the conversation is too long, or the model needs a picture and has none.
        """
        if self._trained.template.caption:
            self.restart()
            if self._features is None:
                raise DataError("this stage only describes pictures", fix="Show it one.")
        num_images = 1 if self._features is not None and not self._turns else 0
        user = Turn("user", question, num_images)
        said = ""
        try:
            for piece in self._pieces((*self._turns, user)):
                said += piece
                yield piece
        finally:
            if said:
                self._turns += [user, Turn("assistant", said)]

    def _pieces(self, turns: tuple[Turn, ...]) -> Generator[str]:
        trained = self._trained
        stream = TextStream(trained.tokenizer)
        steps = decode(
            trained.model,
            [prompt_ids(trained, Conversation(turns))],
            self._features,
            stop_ids=stop_ids(trained.template, trained.tokenizer),
            max_new_tokens=self._max_new_tokens,
            choose=self._choose,
        )
        with closing(steps):
            for (token_id,) in steps:
                if token_id is not None and (piece := stream.add(token_id)):
                    yield piece
