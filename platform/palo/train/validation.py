"""Loss on held-out rows by language, while a stage is trained: the same packed loss, no gradients.

Every worker takes an equal number of packs, as in training, so that collective operations within
the model (ZeRO-3) meet.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo import storage

if TYPE_CHECKING:
    from palo.data.corpus_part import CorpusPart
    from palo.train.engine import TrainEngine
    from palo.train.stages import StageConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageLoss:
    """Loss of one language.

    Attributes:
        loss: Mean cross-entropy in nats over its predicted tokens.
        num_target_tokens: These tokens.
        num_samples: Its held-out samples.
    """

    loss: float
    num_target_tokens: int
    num_samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """Loss on the held-out rows after some steps.

    Attributes:
        step: Steps that were done.
        loss: Mean cross-entropy in nats over all predicted tokens.
        mean_loss: Mean of the languages' losses: each counts alike, however many tokens it has.
        languages: Loss by language.
        seconds: How long it took.
        time: Unix time at its end.
    """

    step: int
    loss: float
    mean_loss: float
    languages: Mapping[str, LanguageLoss]
    seconds: float
    time: float


class Validator:
    """Computes the loss on the held-out rows; one on each worker.

    Args:
        engine: This worker's engine.
        part: The held-out rows, at least one.
        stage: The stage's settings.
        tokens_per_image: Tokens that the projector makes of an image.
        num_steps: Steps of the whole stage.
    """

    def __init__(
        self,
        engine: "TrainEngine",
        part: "CorpusPart",
        stage: "StageConfig",
        tokens_per_image: int,
        num_steps: int,
    ) -> None:
        from palo.data.loader import Collator
        from palo.data.plan import Plan, PlanConfig

        self._engine = engine
        self._part = part
        self._every = stage.validation.every
        self._num_steps = num_steps
        settings = PlanConfig(
            global_batch=len(part),
            token_budget=stage.token_budget,
            tokens_per_image=tokens_per_image,
        )
        plan = Plan(settings, "held out", part.lengths, part.has_image)
        self._packs = plan.packs(0, engine.world_size)[engine.rank]
        self._collator = Collator(part.images, tokens_per_image)
        self._codes = sorted(set(part.languages.tolist()))

    def is_due(self, done: int) -> bool:
        """Returns whether the loss is computed after a step.

        Args:
            done: Steps that are done.
        """
        return done % self._every == 0 or done == self._num_steps

    def run(self, done: int) -> Validation:
        """Computes the loss; all workers must call it together.

        Args:
            done: Steps that are done.
        """
        import torch

        started = time.perf_counter()
        sums = torch.zeros(2, len(self._codes), dtype=torch.float64, device=self._engine.device)
        self._engine.module.eval()
        with torch.no_grad():
            for pack in self._packs:
                self._add(sums, pack.indices, dummy=pack.dummy)
        total = self._engine.sum_over_workers(sums.flatten().cpu()).reshape(2, -1).tolist()
        languages = {
            code: LanguageLoss(
                loss=loss / max(count, 1.0),
                num_target_tokens=int(count),
                num_samples=int((self._part.languages == code).sum()),
            )
            for code, loss, count in zip(self._codes, *total, strict=True)
        }
        return Validation(
            step=done,
            loss=sum(total[0]) / max(sum(total[1]), 1.0),
            mean_loss=sum(one.loss for one in languages.values()) / len(languages),
            languages=languages,
            seconds=time.perf_counter() - started,
            time=time.time(),
        )

    def _add(self, sums: Any, indices: tuple[int, ...], *, dummy: bool) -> None:  # noqa: ANN401
        import torch

        from palo.train.loop import token_losses

        samples = self._part.read(indices)
        batch = self._collator.collate(samples, dummy=dummy).to(self._engine.device)
        losses = token_losses(self._engine.module, batch).double()
        places = torch.tensor([self._codes.index(sample.language) for sample in samples])
        owners = places.to(sums.device)[batch.target_samples]
        sums[0].index_add_(0, owners, losses)
        sums[1].index_add_(0, owners, torch.ones_like(losses))


class ValidationLog:
    """Appends evaluations to a file, one JSON object a line.

    Args:
        path: The file. Evaluations after `start_step` are removed: their steps are done again.
        start_step: Steps that are done.
    """

    def __init__(self, path: Path, start_step: int) -> None:
        kept = [one for one in read_validations(path) if one.step <= start_step]
        if path.exists():
            storage.write_text(path, "".join(storage.json_line(asdict(one)) for one in kept))
        self._path = path

    def append(self, validation: Validation) -> None:
        """Appends one line and hands it to the operating system.

        Args:
            validation: The evaluation.

        Raises:
            StorageError: If it can't be written.
        """
        storage.append_line(self._path, asdict(validation))


def read_validations(path: Path) -> list[Validation]:
    """Reads all whole lines; a last line that is still being written is skipped.

    Args:
        path: The file, which may not exist yet.
    """
    return list(map(_read, storage.whole_lines(path)))


def _read(values: dict[str, Any]) -> Validation:
    languages = {code: LanguageLoss(**one) for code, one in values["languages"].items()}
    return Validation(**(values | {"languages": languages}))
