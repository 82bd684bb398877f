"""The way LLaVA loads a corpus against ours, in each of two ranks, up to the first batch.

LLaVA: json.load of the whole file, then workers forked from the rank tokenise the rows of a batch
when they are asked for. A row is tokenised as its training script does it: the conversation as a
whole, then every round and its question once more, to find what is trained.
Source: reference implementation haotian-liu/LLaVA, llava/train/train.py, LazySupervisedDataset and
preprocess_v1.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corpus_parts.builds import run_build
from corpus_parts.inputs import scratch, write_inputs
from corpus_parts.rows import RowSettings
from corpus_parts.sentences import Sentences
from corpus_parts.settings import CorpusBench
from corpus_parts.sizes import corpus_config
from corpus_parts.together import run_together
from resuming import say

from palo import storage
from palo.benchmark import Figure, spread
from palo.corpus.config import AS_IT_IS
from palo.machine import PeakMemory

_RANKS = 2
_FORKED = 4
_BATCH = 16
_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant "
    "gives helpful, detailed, and polite answers to the user's questions."
)


@dataclass(frozen=True, slots=True)
class _Rank:
    """What a rank is given.

    Attributes:
        number: Its number.
        rows: The JSON array.
        tokenizer: Folder of the tokenizer.
        corpus: The corpus that was built of it.
    """

    number: int
    rows: Path
    tokenizer: Path
    corpus: Path


def measure_llava(settings: CorpusBench, sentences: Sentences, root: Path) -> list[Figure]:
    """Builds a corpus of text alone once, then lets both sides come to their first batch in turn.

    Text alone: neither side reads images, which LLaVA decodes anew for every batch.
    """
    count = settings.scaled(settings.rank_records, 200)
    rows = RowSettings(num_records=count, num_images=0, seed=settings.seed)
    inputs = write_inputs(settings, rows, sentences)
    theirs: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    with scratch(settings, "ranks") as folder:
        config = corpus_config(inputs, folder / "corpus", root, has_images=False)
        built = run_build(replace(config, cleaning=AS_IT_IS), settings.cores, folder)
        ranks = [
            _Rank(number, inputs.rows, config.tokenizer, config.output) for number in range(_RANKS)
        ]
        for number in range(settings.repeats):
            say(f"first batch of {_RANKS} ranks, round {number + 1}")
            theirs.append(_first_batch(_llava, ranks))
            ours.append(_first_batch(_palo, ranks))
    (their_s, their_gib), (our_s, our_gib) = zip(*theirs, strict=True), zip(*ours, strict=True)
    return [
        spread("first_batch_s", our_s, "s"),
        spread("first_batch_llava_s", their_s, "s"),
        spread("first_batch_speed_up", [b / a for a, b in zip(our_s, their_s, strict=True)], "1"),
        spread("ranks_memory_gib", our_gib, "GiB"),
        spread("ranks_memory_llava_gib", their_gib, "GiB"),
        spread("ranks_build_once_s", [built.wall_s], "s"),
    ]


def _first_batch(
    prepare: Callable[[_Rank], Callable[[], int]], ranks: list[_Rank]
) -> tuple[float, float]:
    """Returns the seconds of the slowest rank, and the most memory of all together in GiB."""
    with PeakMemory(every_s=0.1) as memory:
        done = run_together(prepare, ranks)
    if any(one.result != _BATCH for one in done):
        raise RuntimeError(f"a rank's first batch holds {[one.result for one in done]} samples")
    return max(one.seconds for one in done), memory.peak_gib


def _palo(rank: _Rank) -> Callable[[], int]:
    """Imports what a rank of ours needs; the work opens the corpus, plans and loads a step."""
    from palo.data.corpus_reader import open_corpus
    from palo.data.loader import PackLoader
    from palo.data.plan import Plan, PlanConfig

    def work() -> int:
        corpus = open_corpus(rank.corpus)
        settings = PlanConfig(global_batch=_BATCH * _RANKS, token_budget=2048, tokens_per_image=576)
        plan = Plan(settings, corpus.manifest.fingerprint, corpus.lengths, corpus.has_image)
        with PackLoader(corpus, plan, rank=rank.number, world_size=_RANKS) as loader:
            step = next(loader)
        # Ranks share a step's samples by their cost, not by their number.
        return step.num_samples // _RANKS

    return work


def _llava(rank: _Rank) -> Callable[[], int]:
    """Imports what a rank of LLaVA needs; the work reads the file and asks for a batch."""
    import torch
    from torch.utils.data import DataLoader

    from palo.text.tokenizer import load_tokenizer

    torch.set_num_threads(1)
    tokenizer = load_tokenizer(rank.tokenizer)

    def work() -> int:
        rows = storage.read_json(rank.rows)
        loader: DataLoader[Any] = DataLoader(
            _Lazily(rows, tokenizer),  # type: ignore[arg-type]
            batch_size=_BATCH,
            num_workers=_FORKED,
            multiprocessing_context="fork",
            sampler=range(rank.number, len(rows), _RANKS),
            collate_fn=list,
        )
        return len(next(iter(loader)))

    return work


class _Lazily:
    """Rows that are tokenised when they are asked for."""

    def __init__(self, rows: list[dict[str, Any]], tokenizer: Any) -> None:  # noqa: ANN401
        self._rows = rows
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[list[int], list[int]]:
        encode = self._tokenizer.encode
        turns = [turn["value"] for turn in self._rows[index]["conversations"]]
        pairs = list(zip(turns[::2], turns[1::2], strict=True))
        questions = [f"USER: {question} ASSISTANT: " for question, _ in pairs]
        rounds = [question + answer for question, (_, answer) in zip(questions, pairs, strict=True)]
        ids = encode(f"{_SYSTEM} {'</s>'.join(rounds)}</s>")
        labels = list(ids)
        start = 1
        for question, whole in zip(questions, rounds, strict=True):
            num_read, length = len(encode(question)), len(encode(whole))
            labels[start : start + num_read] = [-100] * num_read
            start += length
        return ids, labels
