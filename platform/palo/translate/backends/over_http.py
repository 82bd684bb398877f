"""Translations from any OpenAI-compatible server, many conversations at once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from palo.config import fingerprint, to_dict
from palo.endpoint.caller import Caller, CallMeter
from palo.endpoint.ending import OF_THE_TEXT
from palo.endpoint.replies import Failure, Reply
from palo.endpoint.settings import EndpointSettings
from palo.translate.backends.backend import CostMeter, Draft, Translate, TranslationFailure
from palo.translate.prompts.prompt import conversation_messages, prompt_hash
from palo.translate.prompts.reply import BadReplyError, read_turns
from palo.translate.request import TranslationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpTranslation:
    """How a server generates translations.

    Attributes:
        max_tokens: Most tokens of a translated conversation.
        temperature: Sampling temperature; 0 decodes greedily.
        json_mode: Also asks for JSON by `response_format`; for servers that support it.
    """

    max_tokens: int = 4096
    temperature: float = 0.0
    json_mode: bool = True

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.max_tokens < 1:
            yield f"max_tokens must be at least 1, not {self.max_tokens}"
        if self.temperature < 0:
            yield f"temperature must not be negative, as {self.temperature} is"


class HttpTranslator:
    """A backend that sends whole conversations to a server.

    Args:
        endpoint: The server and the model.
        settings: How it generates.
    """

    accepts_feedback = True

    def __init__(self, endpoint: EndpointSettings, settings: HttpTranslation) -> None:
        self._endpoint = endpoint
        self._settings = settings

    @property
    def name(self) -> str:
        """The server's model."""
        return self._endpoint.model

    @property
    def concurrency(self) -> int:
        """Requests that the endpoint's settings allow at a time."""
        return self._endpoint.in_flight

    def prompt_hash(self, language: str) -> str:
        """Returns the name of the prompt for a language.

        Args:
            language: ISO 639-1 code.
        """
        return prompt_hash(language)

    @property
    def settings_hash(self) -> str:
        """Names the server, the model and how it generates."""
        endpoint = self._endpoint
        return fingerprint([endpoint.url, endpoint.model, to_dict(self._settings)])

    @asynccontextmanager
    async def open(
        self, spent_before: float = 0.0, *, has_worked: bool = False
    ) -> AsyncIterator[Translate]:
        """Connects to the server.

        Args:
            spent_before: The cost of earlier runs, which counts towards the endpoint's max_cost.
            has_worked: Whether it has translated in an earlier run.

        Yields:
            The function to translate with. It raises ConfigError if the server refuses the key,
            doesn't know the model, wants money, or refuses everything, and ResourceError if it
            can't be reached.

        Raises:
            ConfigError: At the end, if there were answers but none of use.
        """
        async with Caller(self._endpoint, spent_before, has_worked=has_worked) as caller:

            async def translate(
                request: TranslationRequest, meter: CostMeter
            ) -> Draft | TranslationFailure:
                reply = await caller.call(
                    self._body(request),
                    meter=CallMeter(on_send=meter.send, on_refused=meter.refuse),
                    fault_of=lambda reply: _read(request, reply)[1],
                )
                return self._answer(request, reply)

            yield translate
            caller.streak.require_some_good()

    def _body(self, request: TranslationRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": conversation_messages(request),
            "max_tokens": self._settings.max_tokens,
            "temperature": self._settings.temperature,
        }
        if self._settings.json_mode:
            body["response_format"] = {"type": "json_object"}
        return body

    def _answer(
        self, request: TranslationRequest, reply: Reply | Failure
    ) -> Draft | TranslationFailure:
        if isinstance(reply, Failure):
            if reply.kind in OF_THE_TEXT:
                fault = f"The server refused the text: {reply.detail}"
                return Draft(fault=fault, is_hopeless=True)
            return TranslationFailure(kind=reply.kind, detail=reply.detail)
        texts, fault = _read(request, reply)
        return Draft(
            texts=texts,
            fault=fault,
            is_hopeless=bool(fault) and reply.finish_reason == "filtered",
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            cost=self._endpoint.cost(reply.tokens_in, reply.tokens_out),
        )


def _read(request: TranslationRequest, reply: Reply) -> tuple[tuple[str, ...], str]:
    """Returns the turns of a reply, or why it has none."""
    try:
        return read_turns(reply, len(request.turns)), ""
    except BadReplyError as error:
        return (), str(error)
