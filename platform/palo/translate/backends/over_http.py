"""Translations from any OpenAI-compatible server, many conversations at once."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from palo.endpoint.caller import Caller, run_concurrently
from palo.endpoint.replies import Failure, Reply
from palo.endpoint.settings import EndpointSettings
from palo.translate.backends.backend import BackendCallbacks, Draft, Lost
from palo.translate.prompts.prompt import conversation_messages, prompt_hash
from palo.translate.prompts.reply import BadReplyError, read_turns
from palo.translate.request import TranslationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpTranslation:
    """How a server is asked for translations.

    Attributes:
        endpoint: The server and the model.
        max_tokens: Most tokens of a translated conversation.
        temperature: 0 takes the likeliest words.
        json_mode: Asks for JSON by `response_format` too; for servers that know it.
    """

    endpoint: EndpointSettings
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
    """A backend that asks a server for whole conversations.

    Args:
        settings: The server.
    """

    heeds_reasons = True

    def __init__(self, settings: HttpTranslation) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        """The server's model."""
        return self._settings.endpoint.model

    def prompt_hash(self, language: str) -> str:
        """Names the prompt for a language."""
        return prompt_hash(language)

    def translate(
        self, units: Iterable[TranslationRequest], desk: BackendCallbacks, spent_before: float = 0.0
    ) -> None:
        """Translates conversations, as many at a time as the endpoint's settings allow.

        Raises:
            ConfigError: If the server refuses the key, doesn't know the model, or wants money.
            ResourceError: If it can't be reached.
        """
        asyncio.run(self._all(units, desk, spent_before))

    async def _all(
        self, units: Iterable[TranslationRequest], desk: BackendCallbacks, spent_before: float
    ) -> None:
        endpoint = self._settings.endpoint
        async with Caller(endpoint, spent_before) as caller:

            async def one(unit: TranslationRequest) -> None:
                reply = await caller.call(
                    self._body(unit),
                    on_send=lambda most: desk.on_send(unit, most),
                    on_refused=lambda: desk.on_refused(unit),
                )
                desk.on_end(unit, self._ended(unit, reply))

            await run_concurrently(units, one, in_flight=endpoint.in_flight)

    def _body(self, unit: TranslationRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": conversation_messages(unit),
            "max_tokens": self._settings.max_tokens,
            "temperature": self._settings.temperature,
        }
        if self._settings.json_mode:
            body["response_format"] = {"type": "json_object"}
        return body

    def _ended(self, unit: TranslationRequest, reply: Reply | Failure) -> Draft | Lost:
        if isinstance(reply, Failure):
            if reply.kind == "refused":
                fault = f"The server refused the request: {reply.detail}"
                return Draft(fault=fault, is_hopeless=True)
            return Lost(kind=reply.kind, detail=reply.detail)
        texts: tuple[str, ...] = ()
        fault = ""
        try:
            is_cut = reply.finish_reason == "length"
            texts = read_turns(reply.text, len(unit.turns), is_cut=is_cut)
        except BadReplyError as error:
            fault = str(error)
        return Draft(
            texts=texts,
            fault=fault,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            cost=self._settings.endpoint.cost(reply.tokens_in, reply.tokens_out),
        )
