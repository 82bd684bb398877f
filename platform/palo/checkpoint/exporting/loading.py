"""Exports loaded again, each by the library that it is for, to be compared with their model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from palo.checkpoint.exporting.probes import (
    Answering,
    PaloAnswers,
    Probe,
    ProbeAnswer,
    answer,
    rounds_of,
)
from palo.checkpoint.finished import StageResult
from palo.checkpoint.load import load_trained
from palo.errors import MismatchError
from palo.model.assemble import assemble
from palo.model.library_noise import without_peft_warning, without_progress_bars
from palo.model.lora import file_name
from palo.model.new_token_names import table_of
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation
from palo.text.segments import IMAGE_SENTINEL
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer


class LlavaAnswers:
    """A Llava model of transformers that probes are put to.

    Args:
        model: The model.
        stop: Ids that end an answer.
    """

    def __init__(self, model: Any, stop: Sequence[int]) -> None:  # noqa: ANN401 - of transformers
        self._model = model
        self._stop = list(stop)

    @torch.no_grad()
    def __call__(self, probe: Probe) -> ProbeAnswer:
        """Answers a probe.

        Args:
            probe: The question.
        """
        image_id = self._model.config.image_token_index
        ids = [image_id if token == IMAGE_SENTINEL else token for token in probe.ids]
        pixels = probe.pixels
        images = {} if pixels is None else {"pixel_values": pixels.to(self._model.dtype)}
        return answer(self._model, ids, images, self._stop)


def load_llava(
    stage: StageResult, folder: Path, dtype: torch.dtype, stop: Sequence[int]
) -> Answering:
    """Loads a Llava folder, and compares its prompts with ours, id by id.

    Args:
        stage: The finished stage that it was made of.
        folder: The export.
        dtype: Type that it runs in.
        stop: Ids that end an answer.

    Raises:
        MismatchError: If weights are missing or unexpected, or a prompt has other ids.
    """
    from transformers import LlavaForConditionalGeneration

    with without_progress_bars():
        model, report = LlavaForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, local_files_only=True, output_loading_info=True
        )
    faults = [f"{kind} {sorted(keys)[0]}" for kind, keys in report.items() if keys]
    if faults:
        raise _unlike("its weights are not those of its config.json", "; ".join(faults))
    _compare_prompts(stage, folder, model.config.image_token_index)
    return LlavaAnswers(model.eval(), stop)


def _compare_prompts(stage: StageResult, folder: Path, image_id: int) -> None:
    from transformers import AutoTokenizer

    written = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    own, template = load_tokenizer(stage.parts.tokenizer), TEMPLATES[stage.template]
    for conversation in rounds_of(template):
        text = written.apply_chat_template(
            messages_of(conversation), tokenize=False, add_generation_prompt=True
        )
        ids = encode_prompt(conversation, template, own)
        wanted = [image_id if token == IMAGE_SENTINEL else token for token in ids]
        if written(text)["input_ids"] != wanted:
            raise _unlike("its tokenizer or chat template gives other ids", repr(text[-80:]))


def messages_of(conversation: Conversation) -> list[dict[str, Any]]:
    """Returns a conversation as chat templates take it.

    Args:
        conversation: The conversation.
    """
    head = [] if conversation.system is None else [("system", conversation.system, 0)]
    turns = [(turn.role, turn.text, turn.num_images) for turn in conversation.turns]
    return [
        {
            "role": role,
            "content": [{"type": "image"}] * num_images + [{"type": "text", "text": text}],
        }
        for role, text, num_images in (*head, *turns)
    ]


def load_own_format(
    stage: StageResult, folder: Path, dtype: torch.dtype, stop: Sequence[int]
) -> Answering:
    """Loads a folder of our own format.

    Args:
        stage: The finished stage that it was made of.
        folder: The export.
        dtype: Type that it runs in.
        stop: Ids that end an answer.

    Raises:
        MismatchError: If its weights are not for its parts.
    """
    return PaloAnswers(load_trained(folder, dtype).model, stop)


def load_adapter_export(
    stage: StageResult, folder: Path, dtype: torch.dtype, stop: Sequence[int]
) -> Answering:
    """Loads an adapter on the plain base language model, with the exported projector before it.

    Args:
        stage: The finished stage that it was made of.
        folder: The export.
        dtype: Type that it runs in.
        stop: Ids that end an answer.

    Raises:
        MismatchError: If a matrix of the adapter finds no place, or a place no matrix.
    """
    from peft import PeftModel

    parts = stage.parts
    model = assemble(
        parts.tower,
        parts.language_model,
        parts.projector_type,
        image_size=parts.image_size,
        dtype=dtype,
    )
    model.projector.load_state_dict(load_file(folder / "projector.safetensors"))
    with without_peft_warning():
        wrapped = PeftModel.from_pretrained(
            model.language_model, str(folder), autocast_adapter_dtype=False
        )
    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        written = set(file.keys())
    if strange := sorted(written ^ _places(wrapped)):
        raise _unlike("its adapter has other places than the base model", strange[0])
    return PaloAnswers(model.eval(), stop)


def _places(wrapped: nn.Module) -> set[str]:
    names = [name for name, _ in wrapped.named_parameters()]
    matrices = {file_name(name) for name in names if ".lora_" in name}
    rows = (name.removesuffix(".default") for name in names)
    return matrices | {name for name in rows if table_of(name) is not None}


def _unlike(fact: str, seen: str) -> MismatchError:
    return MismatchError(
        f"the export doesn't load as it should: {fact}", seen=seen, fix="Report this."
    )
