"""A replica of a model deployment: an engine, and the models that it serves.

It reports ready only after it has answered a warm-up question about an image with each model, so
that the first client meets warm kernels, caches and graphs.
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

from PIL import Image

from palo.api_errors import APIError, APIErrorCode
from palo.errors import ConfigError, DataError, PaloError, ResourceError
from palo.inference.engine import EngineClosedError, EngineFullError, EngineStats
from palo.inference.request import Output, Request, Sampling, Token
from palo.machine import lower_priority
from palo.observability.logs import start_logging
from palo.observability.metrics import CANCELLED, OK
from palo.serve.outbox import Outbox, message_pause_s
from palo.serve.protocol.generate import (
    Delta,
    GenerateRequest,
    ReplicaEvent,
    ReplicaReport,
    RequestImage,
    Started,
    TokenText,
)
from palo.serve.settings import ModelSource, ReplicaSettings
from palo.sharing import check_here
from palo.text.encoding import encode_prompt
from palo.text.tokenizer import TextTokenizer

_LOG = logging.getLogger(__name__)
# Below the ingress, which needs little CPU but low latency.
_NICENESS = 5
_WARM_UP_TIMEOUT_S = 600.0
_WARM_UP_TOKENS = 4


class ModelReplica:
    """Generates answers with the models of one deployment.

    Args:
        sources: The models.
        settings: Engine, image and thread settings.
        owns_process: Whether it is alone in its process, and sets its priority and logging.
    """

    def __init__(
        self,
        sources: Sequence[ModelSource],
        settings: ReplicaSettings,
        *,
        owns_process: bool = False,
    ) -> None:
        if owns_process:
            lower_priority(_NICENESS)
            start_logging()
        check_here()
        # The ingress and the command line know this class, and have no need for torch.
        import torch

        from palo.serve.image_encoder import ImageEncoder
        from palo.serve.loading import load_engine

        torch.set_num_threads(settings.num_threads)
        self._name = sources[0].name
        self._replica = secrets.token_hex(4)
        self._num_streams = 0
        self._loaded, self._engine = load_engine(sources, settings.engine, settings.backend)
        self._encoder = ImageEncoder(
            self._loaded.model,
            self._loaded.preprocessing,
            settings.images,
            settings.feature_cache_bytes,
            self._loaded.store,
        )
        self._warm_up()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[list[ReplicaEvent]]:
        """Generates the answers to a request; closing the generator cancels them.

        Args:
            request: The request.

        Yields:
            New events: `Started` first, then `Delta`s, and `ReplicaReport` last. `APIError` ends
            the answers.
        """
        outbox = Outbox(lambda: message_pause_s(self._num_streams, os.cpu_count() or 1))
        numbers: list[int] = []
        outcome = _OutcomeLog(request, self._replica)
        self._num_streams += 1
        try:
            engine_requests = await self._engine_requests(request)
            for choice, engine_request in engine_requests.items():
                numbers.append(self._engine.submit(engine_request, partial(outbox.put, choice)))
            version = self._loaded.served_models[request.model].version
            prompt_tokens = self._prompt_tokens(next(iter(engine_requests.values())))
            yield [Started(version=version, prompt_tokens=prompt_tokens)]
            num_left = len(numbers)
            while num_left:
                ready = await outbox.take()
                num_left -= sum(output.finish is not None for _, output in ready)
                events = self._events(request, ready)
                outcome.observe(events)
                yield events
            outcome.complete()
            yield [ReplicaReport(model=self._name, replica=self._replica, stats=self.stats())]
        except PaloError as error:
            api_error = api_error_for(error, request.request_id)
            outcome.observe([api_error])
            yield [api_error]
        finally:
            for number in numbers:
                self._engine.cancel(number)
            outbox.close()
            self._num_streams -= 1
            outcome.write()

    def stats(self) -> EngineStats:
        """Returns the statistics of its engine."""
        return self._engine.stats()

    def process_id(self) -> int:
        """Returns the id of its process, which fault drills kill."""
        return os.getpid()

    def close(self) -> None:
        """Ends its engine and the processes that decode images."""
        self._engine.close()
        self._encoder.close()

    def __del__(self) -> None:
        # Ray Serve deletes a replica when it has to go, after it was drained.
        if hasattr(self, "_engine"):
            self.close()

    def check_health(self) -> None:
        """Checks the engine; Ray Serve replaces a replica that fails.

        Raises:
            ResourceError: If its engine has stopped.
        """
        if not self._engine.is_running:
            raise ResourceError("the engine of this replica has stopped", fix="Start another.")

    def _prompt_tokens(self, request: Request) -> int:
        per_image = self._loaded.model.config.tokens_per_image
        return len(request.prompt_ids) + len(request.image_ids) * (per_image - 1)

    async def _engine_requests(self, request: GenerateRequest) -> dict[int, Request]:
        """Returns a request to the engine for each choice that isn't finished."""
        served = self._loaded.served_models.get(request.model)
        if served is None:
            raise APIError(
                "this deployment has no such model",
                seen=request.model,
                param="model",
                code=APIErrorCode.MODEL_NOT_FOUND,
            )
        if request.version not in ("", served.version):
            raise APIError(
                "the replica that answered was lost, and another version of the model runs now",
                fix="Ask again.",
                code=APIErrorCode.REPLICA_LOST,
            )
        # In a thread: long texts take a while, and other requests' deltas must not wait for them.
        ids = await asyncio.to_thread(
            encode_prompt, request.conversation, served.template, self._loaded.tokenizer
        )
        features = await self._encoder.features_of(request.images, request.owner, request.salt)
        begun = request.begun or ((),) * request.num_choices
        return {
            choice: Request(
                prompt_ids=ids,
                image_ids=tuple(image.image_id for image in request.images),
                features=features,
                sampling=sampling_for_choice(request.sampling, choice, served.stop_ids),
                adapter=served.adapter,
                salt=request.salt,
                begun_ids=begun_ids,
            )
            for choice, begun_ids in enumerate(begun)
            if begun_ids is not None
        }

    def _events(
        self, request: GenerateRequest, outputs: Sequence[tuple[int, Output]]
    ) -> list[ReplicaEvent]:
        with_tokens = request.sampling.num_logprobs is not None
        tokenizer = self._loaded.tokenizer if with_tokens else None
        return [delta_from(choice, output, tokenizer) for choice, output in outputs]

    def _warm_up(self) -> None:
        """Answers a question about a grey image with each of its models.

        Raises:
            ResourceError: If that fails or takes too long.
        """
        config = self._loaded.model.config
        file = BytesIO()
        Image.new("RGB", (32, 32), "grey").save(file, "PNG")
        image = RequestImage(image_id="warm-up", data=file.getvalue(), param="")
        # In a thread, since Ray Serve constructs replicas on an event loop.
        with ThreadPoolExecutor(1) as executor:
            encoding = self._encoder.features_of([image], "")
            features = executor.submit(asyncio.run, encoding).result(_WARM_UP_TIMEOUT_S)
        finished: queue.SimpleQueue[Output] = queue.SimpleQueue()
        prompt = [0, config.image_sentinel, 0]
        for served in self._loaded.served_models.values():
            request = Request(
                prompt_ids=prompt,
                image_ids=("warm-up",),
                features=features,
                sampling=Sampling(max_tokens=_WARM_UP_TOKENS),
                adapter=served.adapter,
            )
            self._engine.submit(
                request, lambda output: finished.put(output) if output.finish else None
            )
            try:
                output = finished.get(timeout=_WARM_UP_TIMEOUT_S)
            except queue.Empty:
                raise ResourceError(
                    "a first answer took too long",
                    seen=f"{_WARM_UP_TIMEOUT_S:.0f} s",
                    fix="Give the replica more of the machine.",
                ) from None
            if output.error is not None:
                raise output.error


def sampling_for_choice(sampling: Sampling, choice: int, stop_ids: tuple[int, ...]) -> Sampling:
    """Returns the sampling of one choice, with a seed of its own.

    Args:
        sampling: Sampling of the request.
        choice: Index of the choice.
        stop_ids: Ids that end the model's answers.
    """
    seed = None if sampling.seed is None else sampling.seed + choice
    return dataclasses.replace(sampling, seed=seed, stop_ids=stop_ids)


def delta_from(choice: int, output: Output, tokenizer: TextTokenizer | None) -> Delta | APIError:
    """Converts an output of the engine.

    Args:
        choice: Index of the choice.
        output: The output.
        tokenizer: For the text of tokens; None unless log probabilities are requested.
    """
    if output.finish == "cancelled":
        return APIError(
            "the replica that answered is going away",
            fix="Ask again.",
            code=APIErrorCode.REPLICA_LOST,
        )
    if output.finish == "error":
        fact = output.error.fact if output.error else "the model failed"
        return APIError(fact, fix="Ask again.", code=APIErrorCode.INTERNAL)
    tokens = () if tokenizer is None else output.tokens
    return Delta(
        choice=choice,
        text=output.text,
        ids=tuple(token.id for token in output.tokens),
        tokens=tuple(_token_text(token, tokenizer) for token in tokens if tokenizer is not None),
        finish=output.finish,
        usage=output.usage,
    )


def _token_text(token: Token, tokenizer: TextTokenizer) -> TokenText:
    return TokenText(
        data=_token_bytes(token.id, tokenizer),
        logprob=token.logprob or 0.0,
        top=tuple((_token_bytes(other, tokenizer), logprob) for other, logprob in token.top),
    )


def _token_bytes(token_id: int, tokenizer: TextTokenizer) -> bytes:
    return b"" if tokenizer.is_special(token_id) else tokenizer.token_bytes(token_id)


class _OutcomeLog:
    """Writes the replica's log line of one request, with the id that its client knows."""

    def __init__(self, request: GenerateRequest, replica: str) -> None:
        self._code: str | None = None
        self._request = request
        self._replica = replica
        self._started_s = time.monotonic()

    def observe(self, events: Sequence[ReplicaEvent]) -> None:
        for event in events:
            if isinstance(event, APIError):
                self._code = event.code.value

    def complete(self) -> None:
        self._code = self._code or OK

    def write(self) -> None:
        facts = {
            "request_id": self._request.request_id,
            "model": self._request.model,
            "replica": self._replica,
            "code": self._code or CANCELLED,  # without a code its client has left
            "total_s": round(time.monotonic() - self._started_s, 3),
            "images": len(self._request.images),
        }
        _LOG.info("answer", extra=facts)


def api_error_for(error: PaloError, request_id: str) -> APIError:
    """Converts an error to the one that the client gets.

    Args:
        error: The error.
        request_id: Id of the request, for the log.
    """
    if isinstance(error, APIError):
        return error
    fact, seen, fix = error.fact, error.seen, error.fix
    if isinstance(error, EngineFullError):
        retry_s = error.retry_after_s
        return APIError(fact, fix=fix, code=APIErrorCode.OVERLOADED, retry_after_s=retry_s)
    if isinstance(error, EngineClosedError):
        return APIError(fact, fix=fix, code=APIErrorCode.REPLICA_LOST)
    if isinstance(error, ConfigError):
        return APIError(fact, seen=seen, fix=fix, code=APIErrorCode.INVALID_REQUEST)
    if isinstance(error, DataError):
        code = APIErrorCode.CONTEXT_LENGTH_EXCEEDED
        return APIError(fact, seen=seen, fix=fix, param="messages", code=code)
    _LOG.error("a request failed", exc_info=error, extra={"request_id": request_id})
    return APIError("the model failed", fix="Ask again.", code=APIErrorCode.INTERNAL)
