"""The model with random weights, and prompts for it."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import torch
from serving.settings import ServeBench

from palo.inference.engine import EngineSettings
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.model import PaloForConditionalGeneration
from palo.model.sizes import mini


class Letters:
    """A tokenizer in which every id is one letter; the bench measures no text."""

    bos_id = None
    eos_id = 0
    pad_id = 0
    fingerprint = "letters"
    files: tuple[Path, ...] = ()
    dummy_prefix = False

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def is_special(self, token_id: int) -> bool:
        """See TextTokenizer."""
        return token_id == self.eos_id

    def token_bytes(self, token_id: int) -> bytes:
        """See TextTokenizer."""
        return b"a"


def build_model(settings: ServeBench) -> PaloForConditionalGeneration:
    """Builds the language model of SmolLM2-135M; the tower isn't used and has one layer."""
    torch.manual_seed(settings.seed)
    sizes = mini()
    sizes.text_config.num_hidden_layers = settings.layers
    sizes.vision_config.num_hidden_layers = 1
    sizes.image_size = settings.image_size
    model = PaloForConditionalGeneration(sizes)
    model.eval()
    # Every answer has the same length on every side.
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    if settings.device == "cuda":
        model.to("cuda", torch.bfloat16)
    return model


def build_scheduler(settings: ServeBench, model: PaloForConditionalGeneration) -> Scheduler:
    """Builds the engine's scheduler with a slot for each client.

    Args:
        settings: Settings of the bench.
        model: The model.
    """
    sizes = EngineSettings(
        num_slots=max(settings.clients),
        max_context=settings.max_context,
        prefill_chunk=settings.prefill_chunk,
        static_decode=settings.device == "cuda",
    )
    return Scheduler(model, Letters(model.config.text_config.vocab_size), sizes)  # type: ignore[arg-type]


@dataclass(slots=True)
class Prompts:
    """Makes prompts that share nothing but the system text.

    Attributes:
        settings: The bench's.
        model: The model that they are for.
        generator: Source of ids and features.
    """

    settings: ServeBench
    model: PaloForConditionalGeneration
    generator: torch.Generator

    def make(self, kind: str) -> Request:
        """Makes one prompt, `short` or `image`."""
        if kind == "short":
            words = self.settings.short_tokens - self.settings.system_tokens
            return self._request([*self._system(), *self._ids(words)], {})
        config = self.model.config
        shape = (config.num_patches, config.vision_hidden_size)
        return self.about({uuid4().hex: torch.randn(shape, generator=self.generator)})

    def about(self, features: dict[str, torch.Tensor]) -> Request:
        """Makes one prompt about an image."""
        words = self._ids(self.settings.question_tokens)
        return self._request([*self._system(), self.model.config.image_sentinel, *words], features)

    def _system(self) -> list[int]:
        return list(range(1, self.settings.system_tokens + 1))

    def _ids(self, length: int) -> list[int]:
        vocab_size = self.model.config.text_config.vocab_size
        return torch.randint(1, vocab_size, (length,), generator=self.generator).tolist()

    def _request(self, ids: list[int], features: dict[str, torch.Tensor]) -> Request:
        return Request(
            prompt_ids=ids,
            image_ids=tuple(features),
            features=features,
            sampling=Sampling(max_tokens=self.settings.new_tokens),
        )
