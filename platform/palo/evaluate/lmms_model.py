"""Our models as a model type of lmms-eval, to answer its tasks.

Where lmms-eval is installed, it finds this module by the package's entry point, `lmms_manifest`:

    lmms-eval --model palo --model_args pretrained=runs/7b --tasks llava_in_the_wild

Nothing else imports it: lmms-eval is no dependency of this package.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmms_eval.api.model import lmms
from lmms_eval.api.registry import register_model

from palo import config, storage
from palo.checkpoint.importing import open_model
from palo.errors import ConfigError, DataError
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.generation import AnswerSettings, generate_texts, load_for_answers
from palo.evaluate.lmms_manifest import NAME

if TYPE_CHECKING:
    from PIL.Image import Image

_MARK = "<image>"
_MAX_NEW_TOKENS = 1024
_BATCH = 32
# lmms-eval adds it to tasks that name no end themselves; it would cut an answer to a paragraph.
_ADDED_END = "\n\n"


@register_model(NAME)
class Palo(lmms):
    """A finished stage, or a run that has finished its finetune stage.

    Args:
        pretrained: Its folder.
        batch_size: Questions that are answered at once.
        others: Further arguments that lmms-eval passes, such as the device, which we choose.

    Raises:
        ConfigError: If lmms-eval runs in several processes.
        DataError: If the folder holds no finished stage.
        MismatchError: If its weights are not for its pretrained parts.
    """

    is_simple = True

    def __init__(self, pretrained: str, batch_size: int | str = _BATCH, **others: object) -> None:
        super().__init__()
        del others
        num_processes = int(os.environ.get("WORLD_SIZE", "1"))
        if num_processes > 1:
            raise ConfigError(
                "PALO answers in one process of lmms-eval",
                seen=f"{num_processes} processes",
                fix="Start lmms-eval without accelerate launch and torchrun.",
            )
        self._trained = load_for_answers(open_model(storage.path_of(pretrained)))
        self._batch_size = int(batch_size)

    def clean(self) -> None:
        """Frees the model's memory: lmms-eval may start a judge after the answers."""
        del self._trained
        super().clean()

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Answers greedily, many questions at once.

        Args:
            requests: Each with args of contexts, settings, a function for the images of a
                document, its id, its task and its split.

        Raises:
            ConfigError: If an answer is to be drawn at random.
            DataError: If a question has more than one image, or something else than an image.
        """
        answers = [""] * len(requests)
        with tempfile.TemporaryDirectory() as folder:
            groups: dict[AnswerSettings, list[tuple[int, BenchItem]]] = {}
            for place, request in enumerate(requests):
                contexts, given, to_visual, number, task, split = request.args
                visuals = to_visual(self.task_dict[task][split][number])
                item = _item(contexts, _saved(visuals, Path(folder)))
                settings = self._settings(given, withhold_image=not visuals)
                groups.setdefault(settings, []).append((place, item))
            for settings, group in groups.items():
                found = generate_texts(self._trained, [item for _, item in group], settings)
                for (place, _), answer in zip(group, found, strict=True):
                    answers[place] = _cut(answer, requests[place].args[1].get("until"))
        return answers

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Refuses: our models are scored by generated answers.

        Args:
            requests: Any.

        Raises:
            ConfigError: Always.
        """
        raise _refusal("likelihoods of given answers", len(requests))

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refuses: use jobs/gallery.py for dialogues.

        Args:
            requests: Any.

        Raises:
            ConfigError: Always.
        """
        raise _refusal("dialogues of several rounds", len(requests))

    def _settings(self, given: dict[str, Any], *, withhold_image: bool) -> AnswerSettings:
        if given.get("do_sample") and given.get("temperature"):
            raise ConfigError(
                "answers are greedy",
                seen=f"temperature {given['temperature']}",
                fix="Set do_sample to false in the task.",
            )
        settings = AnswerSettings(
            max_new_tokens=int(given.get("max_new_tokens", _MAX_NEW_TOKENS)),
            batch_size=self._batch_size,
            withhold_image=withhold_image,
        )
        config.check(settings)
        return settings


def _refusal(what: str, count: int) -> ConfigError:
    return ConfigError(
        f"PALO gives no {what}", seen=f"{count} requests", fix="Choose tasks of free answers."
    )


def _item(contexts: str, image: Path) -> BenchItem:
    return BenchItem(
        question_id=image.name,
        language="en",
        image=image,
        category="lmms-eval",
        question=contexts.replace(_MARK, "").strip(),
        references=(),
    )


def _saved(visuals: "Sequence[Image]", folder: Path) -> Path:
    """Saves an image under its content's name, so that equal ones are encoded once."""
    if not visuals:
        return folder / "none"
    if len(visuals) > 1 or not hasattr(visuals[0], "convert"):
        raise DataError(
            "a question has something else than one image",
            seen=f"{len(visuals)} of {type(visuals[0]).__name__}",
            fix="Choose tasks with one image a question.",
        )
    image = visuals[0].convert("RGB")
    name = hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()
    path = folder / f"{name}.png"
    if not path.exists():
        image.save(path)
    return path


def _cut(answer: str, until: str | Sequence[str] | None) -> str:
    """Returns an answer up to the first of some texts that a task names."""
    for stop in [until] if isinstance(until, str) else (until or ()):
        if stop and stop != _ADDED_END:
            answer = answer.partition(stop)[0]
    return answer.strip()
