"""Translations by a Hugging Face model of one's own, by a pool of Ray Data actors."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from palo import config
from palo.errors import ConfigError, ResourceError
from palo.ray_errors import own_errors
from palo.session import worker_share
from palo.storage import S3Path
from palo.translate.backends.backend import BackendCallbacks, Draft
from palo.translate.backends.local_worker import LocalModel, TaughtModel, kind_of
from palo.translate.prompts.prompt import facts, prompt_hash, turn_messages
from palo.translate.request import TranslationRequest

if TYPE_CHECKING:
    import pyarrow as pa

_UNITS_A_WAVE = 20_000
_MAX_TRIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalTranslation:
    """How a model of one's own translates.

    Attributes:
        folder: Folder of the model and its tokenizer, as Hugging Face keeps them: a causal one is
            told what to do by a prompt, a sequence-to-sequence one such as NLLB by language codes.
            Or the folder of a finished stage of ours that was taught to translate.
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
    def heeds_reasons(self) -> bool:
        """Whether it has a prompt that could tell them."""
        return self._kind == "chat"

    def prompt_hash(self, language: str) -> str:
        """Names the prompt for a language; empty for a model that has none."""
        return prompt_hash(language) if self._kind == "chat" else ""

    def translate(
        self, units: Iterable[TranslationRequest], desk: BackendCallbacks, spent_before: float = 0.0
    ) -> None:
        """Translates conversations turn by turn.

        Raises:
            ConfigError: If the model doesn't know a language.
            ResourceError: If the cluster has fewer CPUs than workers, or workers were lost.
        """
        from ray.exceptions import RayError

        waiting = iter(units)
        while wave := list(islice(waiting, _UNITS_A_WAVE)):
            try:
                with own_errors():
                    for position, texts in self._wave(wave):
                        desk.on_end(wave[position], Draft(texts=texts))
            except RayError as error:
                raise ResourceError(
                    "the workers that translate were lost",
                    seen=str(error).strip().splitlines()[-1],
                    fix="Ask for fewer workers or smaller batches, if memory ran out.",
                ) from error

    def _wave(self, units: Sequence[TranslationRequest]) -> Iterator[tuple[int, tuple[str, ...]]]:
        from ray.data import ActorPoolStrategy, from_arrow
        from ray.util.annotations import RayDeprecationWarning

        blocks = list(self._blocks(units))
        num_workers = min(self._settings.num_workers, len(blocks))
        resources = worker_share(num_workers, "translate")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RayDeprecationWarning)
            mapped = from_arrow(blocks).map_batches(
                _Worker,
                fn_constructor_args=(config.to_dict(self._settings),),
                batch_size=None,
                compute=ActorPoolStrategy(size=num_workers),
                # Ray Data tries again without end if a worker dies each time.
                ray_remote_args_fn=lambda: {"max_task_retries": _MAX_TRIES},
                **resources,
            )
        for batch in mapped.iter_batches(batch_size=None, batch_format="numpy"):
            pairs = zip(batch["position"].tolist(), batch["texts"].tolist(), strict=True)
            yield from ((position, tuple(orjson.loads(texts))) for position, texts in pairs)

    def _blocks(self, units: Sequence[TranslationRequest]) -> "Iterator[pa.Table]":
        import pyarrow as pa

        size = self._settings.batch_size
        for start in range(0, len(units), size):
            own = units[start : start + size]
            asked = [orjson.dumps(self._asked(unit)).decode() for unit in own]
            yield pa.table({"position": list(range(start, start + len(own))), "asked": asked})

    def _asked(self, unit: TranslationRequest) -> list[Any]:
        """Returns what a worker needs for each turn, see `kind_of`."""
        if self._kind == "chat":
            return [turn_messages(unit, number) for number in range(len(unit.turns))]
        if self._kind == "stage":
            return [[turn.text, unit.language] for turn in unit.turns]
        codes = [facts(code)["nllb"] for code in (unit.source.language, unit.language)]
        if not all(codes):
            raise ConfigError(
                "a language has no code that sequence-to-sequence models know",
                seen=f"{unit.source.language} or {unit.language}",
                fix="Write it into palo/translate/prompts/languages as nllb.",
            )
        return [[*codes, turn.text] for turn in unit.turns]


class _Worker:
    """One worker's model."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = config.from_dict(LocalTranslation, settings)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        asked = [orjson.loads(text) for text in batch["asked"].tolist()]
        made = iter(self._model.translate([one for unit in asked for one in unit]))
        texts = [orjson.dumps(list(islice(made, len(unit)))).decode() for unit in asked]
        return {"position": batch["position"], "texts": texts}

    # Not in __init__, whose errors reach nobody but as text.
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
