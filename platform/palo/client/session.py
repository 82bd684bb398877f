"""A session with a model of an endpoint: one conversation about an image, with streamed answers."""

from collections.abc import Generator
from pathlib import Path

from palo.api_errors import APIErrorCode
from palo.client.chat_client import ChatClient
from palo.client.endpoint import Endpoint
from palo.client.errors import EndpointError
from palo.client.questions import ChatQuestion, ImageContent, Message, assistant, user


class EndpointSession:
    """One conversation at a time, with or without an image.

    Args:
        endpoint: The server.
        model: Name of the model; the server's first model by default.
        language: ISO code of the answers' language; None leaves it to the model.
        max_tokens: Most tokens of an answer.
        temperature: 0 for greedy decoding; higher values vary the answers.

    Raises:
        EndpointError: If the request for its models fails, or it has no such model.
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

        Args:
            image: Its file. The old image and conversation stay if it fails.

        Raises:
            ImageError: If the file has none of the formats that servers accept.
            StorageError: If it can't be read.
        """
        self._images = (ImageContent.read(image),)
        self.restart()

    def restart(self) -> None:
        """Starts a new conversation about the same image."""
        self._messages = []

    def ask(self, text: str) -> Generator[str]:
        """Asks a question, and adds it with its answer to the conversation.

        Closing the generator early cancels the answer; its text so far is added.

        Args:
            text: The question.

        Yields:
            New text of the answer.

        Raises:
            EndpointError: If the request or its answer fails.
        """
        message = user(text, *(() if self._messages else self._images))
        question = ChatQuestion(
            model=self._model,
            messages=(*self._messages, message),
            language=self._language,
            temperature=self._temperature,
            max_tokens=self._max_tokens,
        )
        reply = ""
        try:
            with self._client.stream(question) as answer:
                for delta in answer:
                    reply += delta
                    yield delta
        finally:
            if reply:
                self._messages += [message, assistant(reply)]
