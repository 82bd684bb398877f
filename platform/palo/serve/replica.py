"""What a replica of a deployment holds: an engine, and the models that it speaks for.

It takes requests only after it has answered one of its own about an image, so that the first
client meets warm kernels, caches and graphs.
"""

import asyncio
import dataclasses
import logging
import os
import queue
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO

import torch
from PIL import Image

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError, DataError, PaloError, ResourceError
from palo.inference.engine import EngineClosedError, EngineFullError, EngineStats
from palo.inference.request import Output, Request, Sampling, Token
from palo.observability.logs import start_logging
from palo.observability.metrics import CANCELLED, OK
from palo.serve.image_encoder import ImageEncoder
from palo.serve.loading import load_engine
from palo.serve.priority import MODEL, lower_priority
from palo.serve.protocol.generate import (
    Delta,
    GenerateRequest,
    Item,
    ReplicaReport,
    RequestImage,
    Started,
    TokenText,
)
from palo.serve.settings import ModelSource, ReplicaSettings
from palo.text.encoding import encode_prompt
from palo.text.tokenizer import TextTokenizer

_WARM_UP_TIMEOUT_S = 600.0
_WARM_UP_TOKENS = 4


class ModelReplica:
    """Answers requests to the models of one deployment.

    Args:
        sources: The models.
        settings: How it computes.
        owns_process: Whether it has a process to itself, whose priority and logs are its to set.
    """

    def __init__(
        self,
        sources: Sequence[ModelSource],
        settings: ReplicaSettings,
        *,
        owns_process: bool = False,
    ) -> None:
        if owns_process:
            lower_priority(MODEL)
            start_logging()
        torch.set_num_threads(settings.num_threads)
        self._name = sources[0].name
        self._replica = secrets.token_hex(4)
        self._loaded, self._engine = load_engine(sources, settings.engine, settings.backend)
        self._encoder = ImageEncoder(
            self._loaded.model,
            self._loaded.preprocessing,
            settings.images,
            settings.feature_cache_bytes,
            self._loaded.store,
        )
        self._warm_up()

    async def answer(self, ask: GenerateRequest) -> AsyncGenerator[list[Item]]:
        """Answers a request; closing the generator frees its slots before the next step.

        Yields:
            What has come since the last time: `Started` first, then pieces; a `APIError` ends it.
        """
        loop = asyncio.get_running_loop()
        outputs: asyncio.Queue[tuple[int, Output]] = asyncio.Queue()
        numbers: list[int] = []
        ending = Ending(ask, self._replica)

        def pass_on(choice: int, output: Output) -> None:
            loop.call_soon_threadsafe(outputs.put_nowait, (choice, output))

        try:
            requests = await self._requests(ask)
            for choice, request in enumerate(requests):
                numbers.append(self._engine.submit(request, partial(pass_on, choice)))
            version = self._loaded.voices[ask.model].version
            yield [Started(version=version, prompt_tokens=self._prompt_tokens(requests[0]))]
            num_left = len(numbers)
            while num_left:
                came = [await outputs.get()]
                while not outputs.empty():
                    came.append(outputs.get_nowait())
                num_left -= sum(output.finish is not None for _, output in came)
                items = self._items(ask, came)
                ending.saw(items)
                yield items
            ending.came()
            yield [self._report]
        except PaloError as error:
            refusal = api_error_for(error, ask.request_id)
            ending.saw([refusal])
            yield [refusal]
        finally:
            for number in numbers:
                self._engine.cancel(number)
            ending.write()

    def _prompt_tokens(self, request: Request) -> int:
        per_image = self._loaded.model.config.tokens_per_image
        return len(request.prompt_ids) + len(request.image_ids) * (per_image - 1)

    @property
    def _report(self) -> ReplicaReport:
        return ReplicaReport(model=self._name, replica=self._replica, stats=self.stats())

    def stats(self) -> EngineStats:
        """Returns what its engine has done and holds."""
        return self._engine.stats()

    def process_id(self) -> int:
        """Returns the number of its process, by which drills end it."""
        return os.getpid()

    def close(self) -> None:
        """Ends its engine and the processes that decode images."""
        self._engine.close()
        self._encoder.close()

    def __del__(self) -> None:
        # Ray Serve's way to say that a replica, drained by then, has to go.
        if hasattr(self, "_engine"):
            self.close()

    def check_health(self) -> None:
        """Tells Ray Serve that it can't answer any more.

        Raises:
            ResourceError: If its engine has stopped.
        """
        if not self._engine.is_running:
            raise ResourceError("the engine of this replica has stopped", fix="Start another.")

    async def _requests(self, ask: GenerateRequest) -> list[Request]:
        voice = self._loaded.voices.get(ask.model)
        if voice is None:
            raise APIError(
                "this deployment has no such model",
                seen=ask.model,
                param="model",
                code=APIErrorCode.MODEL_NOT_FOUND,
            )
        # Long texts take a while; the other requests' pieces go on meanwhile.
        ids = await asyncio.to_thread(
            encode_prompt, ask.conversation, voice.template, self._loaded.tokenizer
        )
        features = await self._encoder.features_of(ask.images, ask.owner, ask.salt)
        return [
            Request(
                prompt_ids=ids,
                image_ids=tuple(image.image_id for image in ask.images),
                features=features,
                sampling=sampling_for(ask.sampling, choice, voice.stop_ids),
                adapter=voice.adapter,
                salt=ask.salt,
            )
            for choice in range(ask.num_choices)
        ]

    def _items(self, ask: GenerateRequest, came: Sequence[tuple[int, Output]]) -> list[Item]:
        tells_tokens = ask.sampling.num_logprobs is not None
        tokenizer = self._loaded.tokenizer if tells_tokens else None
        return [piece_of(choice, output, tokenizer) for choice, output in came]

    def _warm_up(self) -> None:
        """Answers a question about a grey image with each of its models.

        Raises:
            ResourceError: If that fails or takes too long.
        """
        config = self._loaded.model.config
        file = BytesIO()
        Image.new("RGB", (32, 32), "grey").save(file, "PNG")
        image = RequestImage(image_id="warm-up", data=file.getvalue(), param="")
        # In a thread, as Ray Serve constructs replicas on an event loop.
        with ThreadPoolExecutor(1) as aside:
            coming = self._encoder.features_of([image], "")
            features = aside.submit(asyncio.run, coming).result(_WARM_UP_TIMEOUT_S)
        ended: queue.SimpleQueue[Output] = queue.SimpleQueue()
        prompt = [0, config.image_sentinel, 0]
        for voice in self._loaded.voices.values():
            request = Request(
                prompt_ids=prompt,
                image_ids=("warm-up",),
                features=features,
                sampling=Sampling(max_tokens=_WARM_UP_TOKENS),
                adapter=voice.adapter,
            )
            self._engine.submit(
                request, lambda output: ended.put(output) if output.finish else None
            )
            try:
                output = ended.get(timeout=_WARM_UP_TIMEOUT_S)
            except queue.Empty:
                raise ResourceError(
                    "a first answer took too long",
                    seen=f"{_WARM_UP_TIMEOUT_S:.0f} s",
                    fix="Give the replica more of the machine.",
                ) from None
            if output.error is not None:
                raise output.error


_LOG = logging.getLogger(__name__)


class Ending:
    """Notes how a request ends, for a line of the log with the name that its client knows.

    Args:
        ask: The request.
        replica: Names the replica.
    """

    def __init__(self, ask: GenerateRequest, replica: str) -> None:
        self._code: str | None = None
        self._ask = ask
        self._replica = replica
        self._started_s = time.monotonic()

    def saw(self, items: Sequence[Item]) -> None:
        """Looks whether one of the items says why there is no answer."""
        for item in items:
            if isinstance(item, APIError):
                self._code = item.code.value

    def came(self) -> None:
        """Notes that the answer came to its end."""
        self._code = self._code or OK

    def write(self) -> None:
        """Writes the line; nobody said how it ended if its client has left."""
        facts = {
            "request_id": self._ask.request_id,
            "model": self._ask.model,
            "replica": self._replica,
            "code": self._code or CANCELLED,
            "total_s": round(time.monotonic() - self._started_s, 3),
            "images": len(self._ask.images),
        }
        _LOG.info("answer", extra=facts)


def api_error_for(error: PaloError, request_id: str) -> APIError:
    """Returns what a client is told about an error.

    Args:
        error: What went wrong.
        request_id: Names the request in the log.
    """
    if isinstance(error, APIError):
        return error
    if isinstance(error, EngineFullError):
        return APIError(
            error.fact,
            fix=error.fix,
            code=APIErrorCode.OVERLOADED,
            retry_after_s=error.retry_after_s,
        )
    if isinstance(error, EngineClosedError):
        return APIError(error.fact, fix=error.fix, code=APIErrorCode.REPLICA_LOST)
    if isinstance(error, ConfigError):
        return APIError(
            error.fact, seen=error.seen, fix=error.fix, code=APIErrorCode.INVALID_REQUEST
        )
    if isinstance(error, DataError):
        return APIError(
            error.fact,
            seen=error.seen,
            fix=error.fix,
            param="messages",
            code=APIErrorCode.CONTEXT_LENGTH_EXCEEDED,
        )
    _LOG.error("a request failed", exc_info=error, extra={"request_id": request_id})
    return APIError("the model failed", fix="Ask again.", code=APIErrorCode.INTERNAL)


def sampling_for(sampling: Sampling, choice: int, stop_ids: tuple[int, ...]) -> Sampling:
    """Returns how one of several answers is drawn: each from a seed of its own.

    Args:
        sampling: What the request says.
        choice: Number of the answer.
        stop_ids: What ends answers of the model.
    """
    seed = None if sampling.seed is None else sampling.seed + choice
    return dataclasses.replace(sampling, seed=seed, stop_ids=stop_ids)


def piece_of(choice: int, output: Output, tokenizer: TextTokenizer | None) -> Delta | APIError:
    """Returns what an output of the engine adds to an answer.

    Args:
        choice: Number of the answer.
        output: The output.
        tokenizer: For the text of tokens; None if nobody asked for them.
    """
    if output.finish == "cancelled":
        return APIError(
            "the replica that answered is going away",
            fix="Ask again.",
            code=APIErrorCode.REPLICA_LOST,
        )
    if output.finish == "error":
        return APIError(
            output.error.fact if output.error else "the model failed",
            fix="Ask again.",
            code=APIErrorCode.INTERNAL,
        )
    tokens = () if tokenizer is None else output.tokens
    return Delta(
        choice=choice,
        text=output.text,
        tokens=tuple(_text_of(token, tokenizer) for token in tokens if tokenizer is not None),
        finish=output.finish,
        usage=output.usage,
    )


def _text_of(token: Token, tokenizer: TextTokenizer) -> TokenText:
    return TokenText(
        data=_bytes_of(token.id, tokenizer),
        logprob=token.logprob or 0.0,
        top=tuple((_bytes_of(other, tokenizer), logprob) for other, logprob in token.top),
    )


def _bytes_of(token_id: int, tokenizer: TextTokenizer) -> bytes:
    return b"" if tokenizer.is_special(token_id) else tokenizer.token_bytes(token_id)
