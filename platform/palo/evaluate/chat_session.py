"""A conversation with a model about one image, with streamed answers."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import torch

from palo import storage
from palo.checkpoint.load import TrainedModel
from palo.errors import DataError
from palo.evaluate.generation import image_features, preprocessing_of, prompt_ids
from palo.inference.engine import EngineSettings
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.text.encoding import stop_ids
from palo.text.messages import Conversation, Turn

# Or the model's own limit, if less: the memory for it is allocated at the start.
_MAX_CONTEXT = 8192


class ChatSession:
    """One conversation at a time, with or without an image; earlier turns are computed once.

    Args:
        trained: The model.
        max_new_tokens: Most tokens of an answer.
        temperature: 0 is greedy decoding; higher values vary the answers.
    """

    def __init__(
        self, trained: TrainedModel, *, max_new_tokens: int = 256, temperature: float = 0.0
    ) -> None:
        self._trained = trained
        self._sampling = Sampling(
            max_tokens=max_new_tokens,
            temperature=temperature,
            stop_ids=stop_ids(trained.template, trained.tokenizer),
        )
        sizes = EngineSettings(num_slots=1, max_context=_MAX_CONTEXT)
        self._scheduler = Scheduler(trained.model, trained.tokenizer, sizes)
        self._features: dict[str, torch.Tensor] = {}
        self._turns: list[Turn] = []

    def show(self, image: Path) -> None:
        """Starts a new conversation about another image.

        Args:
            image: The image file.

        Raises:
            ImageError: If the file is no image that can be used; the old one then stays.
            StorageError: If it can't be read; the old one then stays.
        """
        preprocessing = preprocessing_of(self._trained)
        features = image_features(self._trained.model, preprocessing, [image])
        self._features = {storage.file_hash(image): features[0]}
        self.restart()

    def restart(self) -> None:
        """Starts a new conversation about the same image."""
        self._turns = []

    def ask(self, question: str) -> Generator[str]:
        """Answers, and remembers question and answer.

        Closing the iterator early ends the answer; its beginning is remembered.

        Args:
            question: The user's words.

        Yields:
            The next part of the answer, of whole characters.

        Raises:
            DataError: If the conversation is too long, or the model needs an image and has none.
        """
        if self._trained.template.caption:
            self.restart()
            if not self._features:
                raise DataError("this stage only describes images", fix="Show it one.")
        num_images = 1 if self._features and not self._turns else 0
        user = Turn("user", question, num_images)
        answer = ""
        try:
            for text in self._stream((*self._turns, user)):
                answer += text
                yield text
        finally:
            if answer:
                self._turns += [user, Turn("assistant", answer)]

    def _stream(self, turns: tuple[Turn, ...]) -> Generator[str]:
        conversation = Conversation(turns)
        request = Request(
            prompt_ids=prompt_ids(self._trained, conversation),
            image_ids=tuple(self._features)[: conversation.num_images],
            features=self._features,
            sampling=self._sampling,
        )
        with closing(self._scheduler.run([request])) as outputs:
            for _, output in outputs:
                if output.text:
                    yield output.text
