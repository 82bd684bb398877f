"""A finished stage of ours as a compared model: its adapter merged, in any number format."""

from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from torch import Tensor

from palo.checkpoint.finished import stage_folder
from palo.checkpoint.lineage_id import lineage_id
from palo.checkpoint.load import TrainedModel, load_trained
from palo.data.manifest import code_version
from palo.evaluate.generation import (
    image_features,
    load_for_answers,
    preprocessing_of,
    prompt_ids,
)
from palo.evaluate.model_comparison.compared_model import (
    DTYPES,
    ComparedDtype,
    forced_logits,
    greedy,
    require_room,
)
from palo.text.encoding import expand_sentinels, stop_ids
from palo.text.messages import Conversation, Turn


class StageModel:
    """A finished stage; see `ComparedModel`.

    Args:
        folder: Folder of the stage, or of a run.
        dtype: Number format; None for bfloat16 on a GPU and float32 without one.
        name: What people call it.

    Raises:
        DataError: If the folder holds no finished stage.
        MismatchError: If its weights are not for its pretrained parts.
    """

    def __init__(self, folder: Path, dtype: ComparedDtype | None, name: str) -> None:
        stage = stage_folder(folder)
        self._trained = _load(stage, dtype)
        model = self._trained.model
        self.name = name
        self.id = lineage_id(stage)
        self.vocab_size = self._trained.tokenizer.vocab_size
        self.stop_ids = stop_ids(self._trained.template, self._trained.tokenizer)
        self.identity: Sequence[object] = [
            "stage", self.id, str(model.dtype), model.device.type, code_version(),
            str(torch.__version__), transformers.__version__,
        ]  # fmt: skip
        self._shown: tuple[Path, Tensor] | None = None

    def encode(self, text: str) -> list[int]:
        """See `ComparedModel`."""
        return self._trained.tokenizer.encode(text).tolist()

    def decode(self, ids: Sequence[int]) -> str:
        """See `ComparedModel`."""
        return self._trained.tokenizer.decode(ids)

    def prompt(self, question: str, *, has_image: bool) -> list[int] | None:
        """See `ComparedModel`."""
        turn = Turn("user", question, int(has_image))
        return prompt_ids(self._trained, Conversation((turn,)))

    def answer(
        self, prompt: Sequence[int], image: Path | None, stops: Sequence[int], most: int
    ) -> list[int]:
        """See `ComparedModel`."""
        return greedy(self, prompt, image, stops, most)

    def logits(self, prompt: Sequence[int], image: Path | None, answer: Sequence[int]) -> Tensor:
        """See `ComparedModel`."""
        return forced_logits(self, prompt, image, answer)

    def start(self, prompt: Sequence[int], image: Path | None) -> tuple[Tensor, object]:
        """See `CachedSteps`."""
        model = self._trained.model
        ids = expand_sentinels(prompt, model.config.tokens_per_image)
        require_room(self.name, len(ids), model.config.text_config.max_position_embeddings)
        out = model(
            input_ids=torch.tensor([ids], device=model.device),
            features=None if image is None else self._features(image),
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[0, -1], out.past_key_values

    def go_on(self, ids: Sequence[int], cache: object) -> Tensor:
        """See `CachedSteps`."""
        model = self._trained.model
        out = model(
            input_ids=torch.tensor([list(ids)], device=model.device),
            past_key_values=cache,
            use_cache=True,
        )
        logits: Tensor = out.logits[0]
        return logits

    def _features(self, image: Path) -> Tensor:
        """Returns the features of an image; questions about one image follow one another."""
        if self._shown is None or self._shown[0] != image:
            features = image_features(self._trained.model, preprocessing_of(self._trained), [image])
            self._shown = image, features
        return self._shown[1]


def _load(stage: Path, dtype: ComparedDtype | None) -> TrainedModel:
    if dtype is None:
        return load_for_answers(stage)
    trained = load_trained(stage, DTYPES[dtype])
    trained.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return trained
