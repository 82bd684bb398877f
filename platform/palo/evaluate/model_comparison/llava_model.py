"""A folder in Hugging Face's Llava layout as a compared model, computed by transformers alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from palo import storage
from palo.checkpoint.lineage_id import lineage_id
from palo.errors import ImageError, MismatchError
from palo.evaluate.benches.bench import content_hash
from palo.evaluate.model_comparison.compared_model import (
    DTYPES,
    ComparedDtype,
    forced_logits,
    greedy,
    require_room,
)
from palo.images.decode import decode_image
from palo.images.image_folder import read_image_file
from palo.model.folder_guard import read_model_config
from palo.model.library_noise import without_progress_bars
from palo.text.encoding import IMAGE_SENTINEL

_FAULTS = ("missing", "unexpected", "mismatched")


class LlavaModel:
    """A `LlavaForConditionalGeneration` with its own processor; see `ComparedModel`.

    Args:
        folder: The folder.
        dtype: Number format; None for bfloat16 on a GPU and float32 without one.

    Raises:
        MismatchError: If it is no such model, or can't be loaded.
        StorageError: If a file can't be read.
    """

    def __init__(self, folder: Path, dtype: ComparedDtype | None) -> None:
        read_model_config(folder)
        has_gpu = torch.cuda.is_available()
        kind = DTYPES[dtype or ("bfloat16" if has_gpu else "float32")]
        self._processor, self._model = _load(folder, kind)
        self._model.to("cuda" if has_gpu else "cpu").eval()
        self.name = folder.name
        self.id = lineage_id(folder)
        self.vocab_size = len(self._processor.tokenizer)
        self.stop_ids = self._ends()
        hashes = [
            f"{name} {storage.file_hash(folder / name)}"
            for name in sorted(storage.file_sizes(folder))
        ]
        self.identity: Sequence[object] = [
            "llava", content_hash(hashes), str(kind), self._model.device.type,
            str(torch.__version__), transformers.__version__,
        ]  # fmt: skip
        self._shown: tuple[Path, Tensor, int] | None = None

    def encode(self, text: str) -> list[int]:
        """See `ComparedModel`."""
        return list(self._processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """See `ComparedModel`."""
        return str(self._processor.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def prompt(self, question: str, *, has_image: bool) -> list[int] | None:
        """See `ComparedModel`."""
        if not self._processor.chat_template:
            return None
        words: list[dict[str, str]] = [{"type": "text", "text": question}]
        content = [{"type": "image"}, *words] if has_image else words
        text = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        tokenizer = self._processor.tokenizer
        # A template may write the first token itself.
        begins = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
        ids = tokenizer(text, add_special_tokens=not begins)["input_ids"]
        return [IMAGE_SENTINEL if one == self._image_id else one for one in ids]

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
        pixels, num_tokens = (None, 1) if image is None else self._pixels(image)
        ids: list[int] = []
        for one in prompt:
            ids += [self._image_id] * num_tokens if one == IMAGE_SENTINEL else [one]
        require_room(self.name, len(ids), self._model.config.text_config.max_position_embeddings)
        out = self._model(
            input_ids=torch.tensor([ids], device=self._model.device),
            pixel_values=pixels,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[0, -1], out.past_key_values

    def go_on(self, ids: Sequence[int], cache: object) -> Tensor:
        """See `CachedSteps`."""
        out = self._model(
            input_ids=torch.tensor([list(ids)], device=self._model.device),
            past_key_values=cache,
            use_cache=True,
        )
        logits: Tensor = out.logits[0]
        return logits

    @property
    def _image_id(self) -> int:
        return int(self._model.config.image_token_id)

    def _pixels(self, image: Path) -> tuple[Tensor, int]:
        """Returns an image's pixels and its number of tokens, both as the processor has them."""
        if self._shown is None or self._shown[0] != image:
            try:
                decoded = decode_image(read_image_file(image))
            except ImageError as error:
                raise ImageError(
                    f"{image}: {error.fact}", seen=error.seen, fix=error.fix
                ) from error
            made = self._processor(
                images=decoded, text=self._processor.image_token, return_tensors="pt"
            )
            num_tokens = int((made["input_ids"] == self._image_id).sum())
            pixels = made["pixel_values"].to(self._model.device, self._model.dtype)
            self._shown = image, pixels, num_tokens
        return self._shown[1], self._shown[2]

    def _ends(self) -> tuple[int, ...]:
        ends = self._model.generation_config.eos_token_id
        found = ends if isinstance(ends, list) else [ends]
        own = self._processor.tokenizer.eos_token_id
        return tuple(dict.fromkeys(one for one in (*found, own) if one is not None))


def _load(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        with without_progress_bars():
            model, told = LlavaForConditionalGeneration.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise MismatchError(
            f"transformers can't load {folder}",
            seen=(str(error).strip().splitlines() or [type(error).__name__])[0][:200],
            fix="Export it again.",
        ) from error
    # transformers fills what is missing with random numbers.
    wrong = [
        f"{kind} {name}" for kind in _FAULTS for name in sorted(map(str, told[f"{kind}_keys"]))
    ]
    if wrong:
        raise MismatchError(
            f"the weights of {folder} are not those of its configuration",
            seen=f"{len(wrong)} keys, such as {wrong[0]}"[:200],
            fix="Export it again.",
        )
    return processor, model
