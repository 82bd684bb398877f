"""A conversation with a model behind an endpoint about one image, answered piece by piece."""

from collections.abc import Generator
from pathlib import Path

from palo.api_errors import APIErrorCode
from palo.client.chat_client import ChatClient, Endpoint
from palo.client.errors import EndpointError
from palo.client.questions import ChatQuestion, ImageContent, Message, assistant, user


class EndpointSession:
    """One conversation at a time, with or without an image.

    Args:
        endpoint: Where the model is.
        model: Its name; the endpoint's first model by default.
        language: ISO code of the language to answer in; None leaves it to the model.
        max_tokens: Most tokens of an answer.
        temperature: 0 always takes the likeliest words; higher values vary them.

    Raises:
        EndpointError: If the endpoint can't be reached, refuses, or has no such model.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        model: str | None = None,
        language: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
    ) -> None:
        self._client = ChatClient(endpoint)
        names = self._client.models()
        if not names or model not in (None, *names):
            raise EndpointError(
                f"{endpoint.url} has no such model" if names else f"{endpoint.url} has no model",
                seen=model or "",
                fix=f"Use one of {', '.join(names)}." if names else "Load one there.",
                code=APIErrorCode.MODEL_NOT_FOUND,
            )
        self._model = model or names[0]
        self._language = language
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._images: tuple[ImageContent, ...] = ()
        self._messages: list[Message] = []

    def show(self, image: Path) -> None:
        """Starts a new conversation about another image.

        Raises:
            ImageError: If the file is no image that can be sent; the old one then stays.
            StorageError: If it can't be read; the old one then stays.
        """
        self._images = (ImageContent.read(image),)
        self.restart()

    def restart(self) -> None:
        """Starts a new conversation about the same image."""
        self._messages = []

    def ask(self, text: str) -> Generator[str]:
        """Answers, and remembers question and answer.

        Closing the iterator early ends the answer; what was said by then is remembered.

        Args:
            text: The user's words.

        Yields:
            The next piece of the answer.

        Raises:
            EndpointError: If there is no answer, or half of one.
        """
        asked = user(text, *(() if self._messages else self._images))
        question = ChatQuestion(
            model=self._model,
            messages=(*self._messages, asked),
            language=self._language,
            temperature=self._temperature,
            max_tokens=self._max_tokens,
        )
        said = ""
        try:
            with self._client.stream(question) as answer:
                for piece in answer:
                    said += piece
                    yield piece
        finally:
            if said:
                self._messages += [asked, assistant(said)]
