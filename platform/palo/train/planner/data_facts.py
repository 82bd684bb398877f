"""What a plan knows of a stage's data: from its corpus where that is built, else by assumption."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from palo.data.corpus_reader import Corpus
from palo.train.planner.memory import RowSize
from palo.train.planner.text_lengths import CAPTION_TOKENS, TextLengths, mean_lengths
from palo.train.stages import StageConfig

# Where no corpus says it: the row with the most predicted tokens over the mean one, and the most
# tokens of a worker's step over the mean, where its row has room for all of them.
_FULLEST_ROW = 1.5
_MOST_PACKED_STEPS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFacts:
    """A stage's data in numbers.

    Attributes:
        num_records: Conversations or captions that come in; None where nothing says how many.
        num_samples: Samples of one epoch, after long conversations were split; None as well.
        tokens: Mean tokens of a sample, image tokens included.
        targets: Mean predicted tokens of a sample.
        image_share: Share of samples with an image.
        num_images: Distinct images; None as well.
        too_long: Share of conversations beyond the limit; None where a corpus doesn't say it.
        fullest_row: The row that needs the most memory.
        source: Where the numbers come from.
    """

    num_records: int | None
    num_samples: int | None
    tokens: float
    targets: float
    image_share: float
    num_images: int | None
    too_long: float | None
    fullest_row: RowSize
    source: str


def assumed_facts(
    kind: Literal["captions", "conversations"],
    counts: Mapping[str, float],
    stage: StageConfig,
    *,
    num_records: int | None,
    tokens_per_image: int,
    max_text_tokens: int,
    overflow: Literal["split", "truncate"],
    num_images: int | None = None,
) -> DataFacts:
    """Assumes a stage's data before a corpus is built.

    Args:
        kind: Captions are one short sample each.
        counts: Rows by language, or any numbers in their proportion.
        stage: The stage's settings.
        num_records: Rows; None where nothing says how many.
        tokens_per_image: Tokens that the projector makes of an image.
        max_text_tokens: Longest sample.
        overflow: What happens to longer conversations.
        num_images: Distinct images; None where nothing says how many.
    """
    if kind == "captions":
        lengths = TextLengths(
            samples=1.0, text_tokens=CAPTION_TOKENS, target_tokens=CAPTION_TOKENS, too_long=0.0
        )
    else:
        lengths = mean_lengths(counts, max_text_tokens, overflow)
    tokens = lengths.text_tokens + tokens_per_image
    longest = max_text_tokens + tokens_per_image
    return DataFacts(
        num_records=num_records,
        num_samples=None if num_records is None else round(num_records * lengths.samples),
        tokens=tokens,
        targets=lengths.target_tokens,
        image_share=1.0,
        num_images=num_images,
        too_long=lengths.too_long,
        fullest_row=step_row(
            stage, tokens, lengths.target_tokens, longest=longest, images_a_token=1 / tokens
        ),
        source="assumed tokens for each language"
        if kind == "conversations"
        else f"an assumption of {CAPTION_TOKENS:g} text tokens each",
    )


def step_row(
    stage: StageConfig, tokens: float, targets: float, *, longest: float, images_a_token: float
) -> RowSize:
    """Assumes the row of a step that needs the most memory.

    Args:
        stage: The stage's settings.
        tokens: Mean tokens of a sample.
        targets: Mean predicted tokens of a sample.
        longest: Tokens of the longest sample.
        images_a_token: Images for each token.
    """
    of_a_step = _FULLEST_ROW * stage.global_batch * tokens / stage.workers.count
    row = int(min(stage.token_budget, max(longest, of_a_step)))
    return RowSize(
        tokens=row,
        targets=min(row * targets / tokens * _FULLEST_ROW, row),
        images=row * images_a_token,
    )


def facts_of(corpus: Corpus, stage: StageConfig, tokens_per_image: int) -> DataFacts:
    """Reads the facts of a corpus, the fullest row from steps that are packed as training would.

    Args:
        corpus: The corpus.
        stage: The stage's settings.
        tokens_per_image: Tokens that the projector makes of an image.
    """
    from palo.train.stage_plan import chosen_samples, make_plan

    used = chosen_samples(corpus, stage)
    plan = make_plan(corpus, stage, tokens_per_image)
    steps = np.linspace(
        0,
        plan.num_steps_per_epoch - 1,
        min(_MOST_PACKED_STEPS, plan.num_steps_per_epoch),
        dtype=int,
    )
    rows = [
        list(pack.indices)
        for step in steps.tolist()
        for packs in plan.packs(step, stage.workers.count)
        for pack in packs
    ]
    image_share = float(corpus.has_image[used].mean())
    images = [int(corpus.has_image[row].sum()) for row in rows]
    return DataFacts(
        num_records=sum(
            count.num_records
            for count in corpus.manifest.languages
            if stage.languages is None or count.language in stage.languages
        ),
        num_samples=plan.num_samples,
        tokens=float(corpus.lengths[used].mean()) + image_share * tokens_per_image,
        targets=float(corpus.num_targets[used].mean()),
        image_share=image_share,
        num_images=corpus.manifest.num_images,
        too_long=None,
        fullest_row=RowSize(
            tokens=max(sum(map(plan.length, row)) for row in rows),
            targets=max(int(corpus.num_targets[row].sum()) for row in rows),
            images=max(images),
        ),
        source=f"the corpus in {corpus.folder}",
    )
