"""What a replica of a deployment holds: an engine, and the models that it speaks for.

It takes requests only after it has answered one of its own about an image, so that the first
client meets warm kernels, caches and graphs.
"""

import asyncio
import os
import queue
import secrets
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO

import torch
from PIL import Image

from palo.api_errors import APIError, APIErrorCode
from palo.errors import PaloError, ResourceError
from palo.inference.request import Output, Request, Sampling
from palo.inference.settings import EngineSettings
from palo.inference.stats import EngineStats
from palo.observability.logs import start_logging
from palo.serve.backends import Backend, load_engine
from palo.serve.image_encoder import ImageEncoder
from palo.serve.images.settings import ImageRules
from palo.serve.loading import ModelSource
from palo.serve.priority import MODEL, lower_priority
from palo.serve.protocol.generate import GenerateRequest, Item, ReplicaReport, RequestImage, Started
from palo.serve.replica_endings import Ending, api_error_for
from palo.serve.replica_pieces import piece_of, sampling_for
from palo.text.encoding import encode_prompt

_WARM_UP_TIMEOUT_S = 600.0
_WARM_UP_TOKENS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaSettings:
    """How a replica computes.

    Attributes:
        engine: Sizes of its engine.
        backend: What computes: the built-in engine, or vLLM where it is installed.
        images: Which images are taken.
        feature_cache_bytes: Memory for what the tower gave for images.
        num_threads: Threads of one computation on a CPU: more than one help on idle cores only.
    """

    engine: EngineSettings = field(default_factory=EngineSettings)
    backend: Backend = "built-in"
    images: ImageRules = field(default_factory=ImageRules)
    feature_cache_bytes: int = 256 * 2**20
    num_threads: int = 1

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.feature_cache_bytes < 0:
            yield f"feature_cache_bytes is {self.feature_cache_bytes}, it can't be negative"
        if self.num_threads < 1:
            yield f"num_threads is {self.num_threads}, it must be at least 1"

    @property
    def capacity(self) -> int:
        """Requests that it answers or lets wait."""
        return self.engine.num_slots + self.engine.max_waiting


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
