"""Translations by a Hugging Face model of one's own, in a pool of Ray actors."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from palo import config
from palo.errors import ConfigError, ResourceError
from palo.ray_errors import own_error
from palo.session import worker_share
from palo.storage import S3Path
from palo.translate.backends.backend import Draft, Translate
from palo.translate.backends.batching import batched
from palo.translate.backends.local_worker import LocalModel, TaughtModel, kind_of
from palo.translate.prompts.prompt import prompt_hash, translator_notes, turn_messages
from palo.translate.request import TranslationRequest

_MAX_TRIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalTranslation:
    """How a model of one's own translates.

    Attributes:
        folder: Folder of the model and its tokenizer in Hugging Face's format: a causal model,
            which gets a prompt, or a sequence-to-sequence one such as NLLB, which gets language
            codes. Or the folder of a finished stage of ours that was taught to translate.
        adapter: Folder of a LoRA adapter for it; None for the model as it is.
        num_workers: Copies of the model, each with one GPU if there are enough, else one CPU.
        batch_size: Texts that are translated at once.
        max_new_tokens: Most tokens of one of them.
    """

    folder: Path
    adapter: Path | None = None
    num_workers: int = 1
    batch_size: int = 16
    max_new_tokens: int = 512

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("num_workers", "batch_size", "max_new_tokens"):
            if getattr(self, name) < 1:
                yield f"{name} must be at least 1, not {getattr(self, name)}"
        for name in ("folder", "adapter"):
            if isinstance(getattr(self, name), S3Path):
                yield f"{name} must be a folder on a disk, not {getattr(self, name)}"


class LocalTranslator:
    """A backend that runs models on Ray, which must be running.

    Args:
        settings: The model.

    Raises:
        ConfigError: If the folder holds no model.
    """

    def __init__(self, settings: LocalTranslation) -> None:
        self._settings = settings
        self._kind = kind_of(settings.folder)
        if self._kind == "stage" and settings.adapter is not None:
            raise ConfigError(
                "a finished stage has its own adapter",
                seen=settings.adapter,
                fix="Leave --adapter out.",
            )

    @property
    def name(self) -> str:
        """Names of the model's folder and of its adapter's."""
        adapter = self._settings.adapter
        return self._settings.folder.name + (f"+{adapter.name}" if adapter else "")

    @property
    def accepts_feedback(self) -> bool:
        """Whether the model has a prompt, which can hold the reasons."""
        return self._kind == "chat"

    @property
    def settings_hash(self) -> str:
        """Names the model and how it generates."""
        return config.fingerprint(config.to_dict(self._settings))

    def prompt_hash(self, language: str) -> str:
        """Names the prompt for a language; empty for a model that has none.

        Args:
            language: ISO 639-1 code.
        """
        return prompt_hash(language) if self._kind == "chat" else ""

    @property
    def concurrency(self) -> int:
        """For each worker a batch that is translated, and the next one."""
        return 2 * self._settings.batch_size * self._settings.num_workers

    @asynccontextmanager
    async def open(
        self, spent_before: float = 0.0, *, has_worked: bool = False
    ) -> AsyncIterator[Translate]:
        """Starts the workers; each loads the model when it gets its first batch.

        Args:
            spent_before: Of no importance: a model of one's own costs nothing.
            has_worked: Of no importance, likewise.

        Yields:
            The function to translate with. It raises ConfigError if the model doesn't know a
            language, and ResourceError if workers were lost.

        Raises:
            ResourceError: If the cluster has fewer CPUs than workers.
        """
        import ray

        num_workers = self._settings.num_workers
        worker = ray.remote(
            max_restarts=_MAX_TRIES,
            max_task_retries=_MAX_TRIES,
            **worker_share(num_workers, "translate"),
        )(_Worker)
        settings = config.to_dict(self._settings)
        workers = [partial(self._batch, worker.remote(settings)) for _ in range(num_workers)]
        async with batched(workers, self._settings.batch_size) as translate:
            yield translate

    async def _batch(
        self,
        worker: Any,  # noqa: ANN401 - Ray's handles have no type
        requests: Sequence[TranslationRequest],
    ) -> list[Draft]:
        from ray.exceptions import RayError

        prompts = [self._prompts(request) for request in requests]
        try:
            texts = await worker.translate.remote(prompts)
        except RayError as error:
            if (own := own_error(error)) is not None:
                raise own from None
            raise ResourceError(
                "the workers that translate were lost",
                seen=str(error).strip().splitlines()[-1],
                fix="Ask for fewer workers or smaller batches, if memory ran out.",
            ) from error
        return [Draft(texts=tuple(own)) for own in texts]

    def _prompts(self, request: TranslationRequest) -> list[Any]:
        """Returns the input of a worker for each turn, see `kind_of`."""
        if self._kind == "chat":
            return [turn_messages(request, number) for number in range(len(request.turns))]
        if self._kind == "stage":
            return [[turn.text, request.language] for turn in request.turns]
        codes = [
            translator_notes(code).nllb for code in (request.source.language, request.language)
        ]
        if not all(codes):
            raise ConfigError(
                "a language has no code that sequence-to-sequence models know",
                seen=f"{request.source.language} or {request.language}",
                fix="Write it into palo/translate/prompts/languages as nllb.",
            )
        return [[*codes, turn.text] for turn in request.turns]


class _Worker:
    """A Ray actor with one copy of the model."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = config.from_dict(LocalTranslation, settings)

    def translate(self, prompts: Sequence[Sequence[Any]]) -> list[list[str]]:
        """Translates the turns of some conversations.

        Args:
            prompts: By conversation, the model's input for each turn.

        Returns:
            By conversation, the translated turns.
        """
        made = iter(self._model.translate([one for own in prompts for one in own]))
        return [list(islice(made, len(own))) for own in prompts]

    # Not in __init__, whose errors reach the driver as text only.
    @cached_property
    def _model(self) -> LocalModel | TaughtModel:
        import torch

        # More threads than cores make each of them several times slower.
        torch.set_num_threads(1)
        sizes = {
            "batch_size": self._settings.batch_size,
            "max_new_tokens": self._settings.max_new_tokens,
        }
        if kind_of(self._settings.folder) == "stage":
            return TaughtModel(self._settings.folder, **sizes)
        return LocalModel(self._settings.folder, self._settings.adapter, **sizes)
