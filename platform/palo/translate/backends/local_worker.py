"""A Hugging Face model that translates texts, in this process."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from palo.errors import ConfigError, PaloError

_AS_DATA: Mapping[str, Any] = {"trust_remote_code": False, "local_files_only": True}
"""A folder of a model runs no code of its own, and fetches nothing."""

_SENTENCE_ENDS = re.compile(r"(\n+|(?<=[.!?…])\s+)")


Kind = Literal["chat", "codes", "stage"]
"""The input of a model: a chat, the codes of two languages, or that of a stage of ours."""


def kind_of(folder: Path) -> Kind:
    """Returns the kind of input that a model takes.

    Args:
        folder: Folder of the model.

    Raises:
        ConfigError: If the folder holds no model.
    """
    from palo.checkpoint.finished import is_finished  # it imports torch

    if is_finished(folder):
        return "stage"
    return "codes" if reads_and_writes_apart(folder) else "chat"


class TaughtModel:
    """A finished stage of ours that was taught to translate.

    Args:
        folder: Folder of the stage.
        batch_size: Texts that are translated at once.
        max_new_tokens: Most tokens of one of them.
    """

    def __init__(self, folder: Path, *, batch_size: int, max_new_tokens: int) -> None:
        from palo.checkpoint.load import load_trained

        self._trained = load_trained(folder)
        self._batch_size = batch_size
        self._max_new_tokens = max_new_tokens

    def translate(self, asked: Sequence[Any]) -> list[str]:
        """Translates texts.

        Args:
            asked: Each text with the ISO 639-1 code of its target language.

        Returns:
            The translations, in the order of the texts.
        """
        from palo.translate.learning.local_translator import translate_texts

        return translate_texts(
            self._trained,
            [(text, language) for text, language in asked],
            max_new_tokens=self._max_new_tokens,
            batch_size=self._batch_size,
        )


def reads_and_writes_apart(folder: Path) -> bool:
    """Returns whether a model is a sequence-to-sequence one.

    Args:
        folder: Folder of the model.

    Raises:
        ConfigError: If the folder holds no model.
    """
    from transformers import AutoConfig

    from palo.model.folder_guard import read_model_config

    try:
        read_model_config(folder)
        return bool(AutoConfig.from_pretrained(folder, **_AS_DATA).is_encoder_decoder)
    except (OSError, ValueError, PaloError) as error:
        raise ConfigError(
            f"{folder} holds no model that can be read",
            seen=str(error).splitlines()[0],
            fix="Name a folder with config.json, weights and tokenizer.",
        ) from error


class LocalModel:
    """A model with its tokenizer, and perhaps a LoRA adapter merged into its weights.

    It decodes greedily: the same text gives the same translation.

    Args:
        folder: Folder of both.
        adapter: Folder of the adapter.
        batch_size: Texts that are translated at once.
        max_new_tokens: Most tokens of one of them.

    Raises:
        ConfigError: If one of the folders can't be read.
    """

    def __init__(
        self, folder: Path, adapter: Path | None = None, *, batch_size: int, max_new_tokens: int
    ) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

        from palo.model.folder_guard import require_adapter

        self._has_codes = reads_and_writes_apart(folder)
        kind = AutoModelForSeq2SeqLM if self._has_codes else AutoModelForCausalLM
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **_AS_DATA)
            model = kind.from_pretrained(folder, dtype=dtype, use_safetensors=True, **_AS_DATA)
            if adapter is not None:
                from peft import PeftModel

                require_adapter(adapter)
                model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        except (OSError, ValueError, RuntimeError, PaloError) as error:
            raise ConfigError(
                f"{adapter or folder} can't be loaded",
                seen=str(error).splitlines()[0],
                fix="Name a folder with config.json, weights and tokenizer, and its own adapter.",
            ) from error
        self._model = model.to(self._device).eval()
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        if not self._has_codes:
            self._tokenizer.padding_side = "left"
        self._batch_size = batch_size
        self._max_new_tokens = max_new_tokens

    def translate(self, asked: Sequence[Any]) -> list[str]:
        """Translates texts.

        Args:
            asked: For each text a chat, of a causal model; else the codes of its language and of
                the one wanted, and the text.

        Returns:
            The translations, in the order of the texts.
        """
        if not self._has_codes:
            prompts = [self._prompt(chat) for chat in asked]
            return [text.strip() for text in self._generated(prompts)]
        # Such models were trained on sentences, and lose what comes after the first ones.
        parts = [_SENTENCE_ENDS.split(text) for _, _, text in asked]
        made: dict[tuple[int, int], str] = {}
        for codes in dict.fromkeys((source, language) for source, language, _ in asked):
            places = [
                (number, place)
                for number, own in enumerate(parts)
                if tuple(asked[number][:2]) == codes
                for place, part in enumerate(own)
                if place % 2 == 0 and part.strip()
            ]
            texts = [parts[number][place] for number, place in places]
            made.update(zip(places, self._sentences(*codes, texts), strict=True))
        return [
            "".join(made.get((number, place), part) for place, part in enumerate(own))
            for number, own in enumerate(parts)
        ]

    def _sentences(self, source: str, language: str, texts: Sequence[str]) -> Iterator[str]:
        extra: dict[str, Any] = {}
        if hasattr(self._tokenizer, "src_lang"):
            self._tokenizer.src_lang = source
            first = self._tokenizer.convert_tokens_to_ids(language)
            if first is None or first == self._tokenizer.unk_token_id:
                raise ConfigError(
                    "the model doesn't know a language",
                    seen=language,
                    fix="Use another model, or correct the code in palo/translate/prompts.",
                )
            extra["forced_bos_token_id"] = first
        yield from (text.strip() for text in self._generated(texts, **extra))

    def _prompt(self, chat: Sequence[dict[str, str]]) -> str:
        if self._tokenizer.chat_template:
            return str(
                self._tokenizer.apply_chat_template(
                    chat, tokenize=False, add_generation_prompt=True
                )
            )
        return "\n\n".join([*(message["content"] for message in chat), ""])

    def _generated(self, texts: Sequence[str], **extra: object) -> Iterator[str]:
        import torch

        for start in range(0, len(texts), self._batch_size):
            batch = list(texts[start : start + self._batch_size])
            inputs = self._tokenizer(
                batch, return_tensors="pt", padding=True, add_special_tokens=self._adds_marks
            ).to(self._device)
            inputs.pop("token_type_ids", None)
            with torch.inference_mode():
                ids = self._model.generate(
                    **inputs,
                    do_sample=False,
                    num_beams=1,
                    max_new_tokens=self._most_new(inputs["input_ids"].shape[1]),
                    pad_token_id=self._tokenizer.pad_token_id,
                    **extra,
                )
            new = ids if self._has_codes else ids[:, inputs["input_ids"].shape[1] :]
            yield from self._tokenizer.batch_decode(new, skip_special_tokens=True)

    def _most_new(self, num_read: int) -> int:
        limit: int | None = getattr(self._model.config, "max_position_embeddings", None)
        if limit is None:
            return self._max_new_tokens
        left = limit - (1 if self._has_codes else num_read)
        return max(1, min(self._max_new_tokens, left))

    @property
    def _adds_marks(self) -> bool:
        # A chat template writes the marks itself.
        return self._has_codes or not self._tokenizer.chat_template
