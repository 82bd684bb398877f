"""Trains the nano language model: a small Llama that knows ten languages and no image."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from palo.scenes.nano_base.texts import Lesson, lessons
from palo.scenes.scene import PLACES
from palo.text.encoding import EncodingLimits, encode_conversation, expand_sentinels
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import TextTokenizer, load_tokenizer

_MAX_TOKENS = 512
_BLUR = 0.15
_NOTHING = 0  # the unknown token stands in empty cells
_NO_WORD = -1
_NEAR = 8
_NUM_PATCHES = len(PLACES)
"""The tower's patches are the cells of the grid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """Conversations to read, each once, with a schedule of their own.

    Attributes:
        num_conversations: How many.
        learning_rate: Peak of the cosine schedule.
        counting: Whether a cell's words also say how many are alike.
        rehearsed: Language of every second conversation; None for all languages alike.
    """

    num_conversations: int
    learning_rate: float
    counting: bool = False
    rehearsed: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageModelTraining:
    """How the base language model is made.

    Attributes:
        hidden_size: Width.
        intermediate_size: Width of the feed-forward layers.
        num_layers: Blocks.
        num_heads: Attention heads.
        courses: What it reads, one after the other.
        batch_size: Conversations in one step.
        num_warmup_steps: Steps of linear rise before a course's peak.
        embedding_std: Spread of the token embeddings at the start.
        compile: Whether to compile the blocks, which saves two fifths of a long run.
        seed: Of the weights and the texts.
    """

    hidden_size: int = 192
    intermediate_size: int = 384
    num_layers: int = 4
    num_heads: int = 4
    courses: tuple[Course, ...] = (
        Course(num_conversations=360_000, learning_rate=3e-3),
        Course(num_conversations=80_000, learning_rate=2e-3, counting=True),
        # The words of the cells are English, which makes English questions about them the hardest.
        Course(num_conversations=24_000, learning_rate=1e-3, counting=True, rehearsed="en"),
    )
    batch_size: int = 32
    num_warmup_steps: int = 100
    embedding_std: float = 0.5
    compile: bool = True
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Example:
    ids: list[int]
    trained: list[int]  # indices into ids
    cells: list[list[int]]  # the ids of each cell's words; empty without such cells


@dataclass(frozen=True, kw_only=True, slots=True)
class _Batch:
    ids: Tensor  # (B, L) int64
    positions: Tensor  # (K,) int64: index into the flattened B x L of what predicts a target
    targets: Tensor  # (K,) int64
    patches: Tensor  # (M,) int64: index into the flattened B x L of each patch
    words: Tensor  # (M,) int64: which row of cells stands at that patch
    cells: Tensor  # (C, T) int64: ids of the cells' words, padded with -1


def language_config(settings: LanguageModelTraining, vocab_size: int) -> LlamaConfig:
    """Returns the architecture of the nano language model.

    Args:
        settings: Sizes of the model.
        vocab_size: Pieces of the tokenizer.
    """
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )


def train_language_model(
    folder: Path,
    tokenizer_folder: Path,
    settings: LanguageModelTraining,
    report: Callable[[int, int, float], None],
) -> list[float]:
    """Gives the courses in turn and writes config.json and model.safetensors in bfloat16.

    Args:
        folder: Where to write.
        tokenizer_folder: Folder of tokenizer.model.
        settings: Size and courses.
        report: Called now and then with the step, the number of steps of the course, and the loss.

    Returns:
        For each course the mean loss of the last fiftieth of its steps, in nats a token.
    """
    torch.manual_seed(settings.seed)
    tokenizer = load_tokenizer(tokenizer_folder)
    config = language_config(settings, tokenizer.vocab_size)
    # In bfloat16 on a CPU the backward pass of the fused attention costs more than all the rest.
    model = LlamaForCausalLM._from_config(config, attn_implementation="eager")
    # As wide as what a fresh projector gives, so that images can later stand among the words.
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=settings.embedding_std)
    final_losses: list[float] = []
    for course in settings.courses:
        if final_losses:
            model = LlamaForCausalLM.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager"
            )
        if settings.compile:
            for layer in model.model.layers:
                layer.compile(dynamic=True)
        losses = _fit(model, _batches(course, settings, tokenizer), course, settings, report)
        model.to(torch.bfloat16).save_pretrained(folder)
        final_losses.append(float(np.mean(losses[-max(1, len(losses) // 50) :])))
    return final_losses


def _fit(
    model: LlamaForCausalLM,
    batches: Iterable[_Batch],
    course: Course,
    settings: LanguageModelTraining,
    report: Callable[[int, int, float], None],
) -> list[float]:
    optimizers = _optimizers(model, course.learning_rate)
    num_steps = -(-course.num_conversations // settings.batch_size)
    schedules = [cosine(each, settings.num_warmup_steps, num_steps) for each in optimizers]
    noise = torch.Generator().manual_seed(settings.seed)
    losses = []
    last_report = 0.0
    for step, batch in enumerate(batches, 1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embeddings = _embedded(model, batch, noise)
            hidden = model.model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
            logits = model.lm_head(hidden.flatten(0, 1)[batch.positions])
        loss = functional.cross_entropy(logits.float(), batch.targets)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        losses.append(loss.item())
        if time.monotonic() - last_report > 10 or step == num_steps:
            last_report = time.monotonic()
            report(step, num_steps, float(np.mean(losses[-20:])))
    return losses


def _embedded(model: LlamaForCausalLM, batch: _Batch, noise: torch.Generator) -> Tensor:
    """Returns (B, L, H): the tokens, and for each patch its cell's words as one blurred vector.

    That vector is the sum of the words' embeddings, scaled to the spread of a single one.
    """
    table = model.model.embed_tokens
    embeddings: Tensor = table(batch.ids)
    if not len(batch.patches):
        return embeddings
    present = (batch.cells >= 0).unsqueeze(-1)
    words = table(batch.cells.clamp(min=0)) * present
    sums: Tensor = words.sum(1) / present.sum(1).sqrt()
    blurred = sums[batch.words]
    blurred = blurred + _BLUR * torch.randn(blurred.shape, generator=noise)
    return embeddings.flatten(0, 1).index_put((batch.patches,), blurred).view_as(embeddings)


def _optimizers(
    model: LlamaForCausalLM, learning_rate: float
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Returns Muon for the blocks' matrices, which learn faster with it, and Adam for the rest."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    inside = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in inside]
    muon = torch.optim.Muon(
        matrices,
        lr=2 * learning_rate,
        weight_decay=0.01,
        adjust_lr_fn="match_rms_adamw",
    )
    return muon, torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0)


def cosine(
    optimizer: torch.optim.Optimizer, num_warmup_steps: int, num_steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Returns a schedule of linear warm-up and a cosine down to zero.

    Args:
        optimizer: The optimizer.
        num_warmup_steps: Steps in which the rate rises.
        num_steps: All steps.
    """

    def factor(step: int) -> float:
        rise = (step + 1) / (num_warmup_steps + 1)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / num_steps)))
        return min(1.0, rise) * fall

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _batches(
    course: Course, settings: LanguageModelTraining, tokenizer: TextTokenizer
) -> Iterator[_Batch]:
    given = lessons(
        course.num_conversations,
        settings.seed,
        counting=course.counting,
        rehearsed=course.rehearsed,
    )
    examples = _examples(given, tokenizer)
    size, near = settings.batch_size, settings.batch_size * _NEAR
    order = np.random.default_rng(settings.seed)
    # Neighbours in length share a batch, but only among a few batches, so that each stays mixed.
    while some := sorted(islice(examples, near), key=lambda example: len(example.ids)):
        groups = [some[first : first + size] for first in range(0, len(some), size)]
        yield from (_padded(groups[index]) for index in order.permutation(len(groups)))


def _examples(given: Iterable[Lesson], tokenizer: TextTokenizer) -> Iterator[_Example]:
    limits = EncodingLimits(max_text_tokens=_MAX_TOKENS, overflow="truncate")
    for lesson in given:
        template = TEMPLATES[lesson.template]
        (sample,) = encode_conversation(lesson.conversation, template, tokenizer, limits).samples
        trained = [index for span in sample.label_spans for index in range(*span)]
        ids, cells = list(sample.input_ids), []
        if lesson.cells:
            cells = [
                list(tokenizer.encode(words)) if words else [_NOTHING] for words in lesson.cells
            ]
            trained = [index + _NUM_PATCHES - 1 for index in trained]
            ids = expand_sentinels(ids, _NUM_PATCHES)
        yield _Example(ids=ids, trained=trained, cells=cells)


def _padded(group: Sequence[_Example]) -> _Batch:
    length = max(len(example.ids) for example in group)
    ids = torch.zeros(len(group), length, dtype=torch.int64)
    lists: dict[str, list[int]] = {"positions": [], "targets": [], "patches": [], "words": []}
    cells: list[list[int]] = [[_NOTHING]]
    for row, example in enumerate(group):
        tokens = torch.tensor(example.ids)
        lists["patches"] += (torch.nonzero(tokens < 0)[:, 0] + row * length).tolist()
        ids[row, : len(tokens)] = tokens.clamp(min=0)
        lists["positions"] += [row * length + index - 1 for index in example.trained]
        lists["targets"] += [example.ids[index] for index in example.trained]
        if example.cells:
            lists["words"] += range(len(cells), len(cells) + _NUM_PATCHES)
            cells += example.cells
    width = max(map(len, cells))
    padded = torch.tensor([cell + [_NO_WORD] * (width - len(cell)) for cell in cells])
    tensors = {name: torch.tensor(values, dtype=torch.int64) for name, values in lists.items()}
    return _Batch(ids=ids, cells=padded, **tensors)
