"""What is assumed of parallel text before a corpus is built: sentences, translated both ways."""

from collections.abc import Sequence

from palo import languages
from palo.train.planner.data_facts import DataFacts, step_row
from palo.train.stages import StageConfig

# Sentences of news, as of NTREX: 24 English words, with a third more tokens than words.
_SENTENCE_TOKENS = 32.0
# The template's own text, and the wish for a translation.
_PROMPT_TOKENS = 55.0
_WAYS = 2


def assumed_pairs(
    codes: Sequence[str], pivot: str, stage: StageConfig, num_pairs: int | None
) -> DataFacts:
    """Assumes the data of an align stage.

    Args:
        codes: Languages of the text, in equal shares.
        pivot: The one that all others are translated from and into.
        stage: The stage's settings.
        num_pairs: Pairs; None where nothing says how many.
    """
    others = [code for code in codes if code != pivot]
    sizes = [languages.get(code).llama_tokens for code in others] or [1.0]
    pair = _SENTENCE_TOKENS * (languages.get(pivot).llama_tokens + sum(sizes) / len(sizes))
    tokens, targets = pair + _PROMPT_TOKENS, pair / _WAYS
    num_samples = None if num_pairs is None else _WAYS * num_pairs
    return DataFacts(
        num_records=num_samples,
        num_samples=num_samples,
        tokens=tokens,
        targets=targets,
        image_share=0.0,
        num_images=0,
        too_long=0.0,
        fullest_row=step_row(stage, tokens, targets, longest=tokens, images_a_token=0.0),
        source="assumed sentences in two languages, each way",
    )
