"""CPU seconds of answers with the same content in every language, by the engine.

Each answer has as many tokens as the sentence that it stands for, so that the model needs no
training: its weights are random, its ids are not looked at.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from speaking.tokens import Row, ratio

from palo import languages
from palo.benchmark import Figure, resampled
from palo.text.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from palo.inference.scheduler import Scheduler

_TARGET, _JUDGED = 2.0, "bn"
_PROMPT_TOKENS = 64


def answer_figures(
    rows: Sequence[Row], tokenizers: Mapping[str, TextTokenizer], width: int, layers: int
) -> Iterator[Figure]:
    """Yields CPU seconds an answer in every language, and those over English before.

    Args:
        rows: Sentences in all languages; each is an answer.
        tokenizers: The tokenizers, before and after.
        width: Width of the language model.
        layers: Its layers.
    """
    seconds = {name: _seconds(rows, one, width, layers) for name, one in tokenizers.items()}
    for name, by_language in seconds.items():
        for code, own in by_language.items():
            ones = [(value, 1.0) for value in own]
            yield resampled(f"{code}_cpu_s_an_answer_{name}", ratio, ones, "s")
            has_target = name == "after" and code == _JUDGED
            yield resampled(
                f"{code}_cpu_to_english_{name}",
                ratio,
                list(zip(own, by_language["en"], strict=True)),
                "1",
                target=_TARGET if has_target else None,
                better="lower" if has_target else None,
            )


def _seconds(
    rows: Sequence[Row], tokenizer: TextTokenizer, width: int, layers: int
) -> dict[str, list[float]]:
    scheduler = _scheduler(tokenizer, width, layers)
    _answer(scheduler, 8)  # the first one also makes buffers
    found: dict[str, list[float]] = {code: [] for code in languages.codes()}
    for row in rows:
        for code, own in found.items():
            num_tokens = len(tokenizer.encode(row[code]))
            begin = time.process_time()
            _answer(scheduler, num_tokens)
            own.append(time.process_time() - begin)
    return found


def _scheduler(tokenizer: TextTokenizer, width: int, layers: int) -> "Scheduler":
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig

    from palo.inference.engine import EngineSettings
    from palo.inference.scheduler import Scheduler
    from palo.model import PaloForConditionalGeneration
    from palo.model.sizes import from_parts

    torch.manual_seed(0)
    torch.set_num_threads(1)
    tower = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        image_size=32, patch_size=16,
    )  # fmt: skip
    language = LlamaConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=width, intermediate_size=4 * width,
        num_hidden_layers=layers, num_attention_heads=width // 64,
        max_position_embeddings=2048,
    )  # fmt: skip
    model = PaloForConditionalGeneration(from_parts(tower, language)).eval()
    return Scheduler(model, tokenizer, EngineSettings(max_context=1024))


def _answer(scheduler: "Scheduler", num_tokens: int) -> None:
    from palo.inference.request import Request, Sampling

    request = Request(
        prompt_ids=range(100, 100 + _PROMPT_TOKENS), sampling=Sampling(max_tokens=num_tokens)
    )
    done = 0
    for _, output in scheduler.run([request]):
        done += len(output.tokens)
    assert done == num_tokens
