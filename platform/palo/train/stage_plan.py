"""The plan of a stage over its corpus: which samples, in which order and packs."""

import numpy as np
import numpy.typing as npt

from palo.data.corpus_part import CorpusPart
from palo.data.corpus_reader import Corpus
from palo.data.plan import Plan, PlanConfig
from palo.data.sampling import LanguageSampling, counts_at
from palo.errors import DataError
from palo.train.stages import StageConfig


def make_plan(corpus: Corpus | CorpusPart, stage: StageConfig, tokens_per_image: int) -> Plan:
    """Returns the plan of a stage over a corpus.

    Args:
        corpus: The corpus, or its part that is trained on.
        stage: The stage's settings.
        tokens_per_image: Tokens that the projector makes of an image.

    Raises:
        DataError: If the corpus has no sample in the stage's languages.
    """
    settings = PlanConfig(
        global_batch=stage.global_batch,
        token_budget=stage.token_budget,
        tokens_per_image=tokens_per_image,
        seed=stage.seed,
        max_epochs=stage.epochs,
    )
    fingerprint = corpus.manifest.fingerprint
    chosen = chosen_samples(corpus, stage)
    sampling = _sampling(corpus, stage, chosen)
    return Plan(settings, fingerprint, corpus.lengths, corpus.has_image, chosen, sampling)


def _sampling(
    corpus: Corpus | CorpusPart, stage: StageConfig, chosen: npt.NDArray[np.bool_]
) -> LanguageSampling | None:
    """Returns how often a stage sees each language; None where it sees every sample once."""
    if stage.language_temperature is None:
        return None
    _, groups = np.unique(corpus.languages, return_inverse=True)
    sizes = np.bincount(groups[chosen]).tolist()
    present = {group: size for group, size in enumerate(sizes) if size}
    counts = counts_at(present, stage.language_temperature)
    return LanguageSampling(groups=groups.astype(np.int64), counts=counts)


def chosen_samples(corpus: Corpus | CorpusPart, stage: StageConfig) -> npt.NDArray[np.bool_]:
    """Returns (samples,) whether a stage trains on each sample of a corpus.

    Args:
        corpus: The corpus.
        stage: The stage's settings, with its languages.

    Raises:
        DataError: If the corpus has no sample in the stage's languages.
    """
    if stage.languages is None:
        return np.ones(len(corpus), bool)
    chosen = np.isin(corpus.languages, stage.languages)
    if not chosen.any():
        raise DataError(
            f"the corpus has no sample in {', '.join(stage.languages)}",
            seen=", ".join(sorted(set(corpus.languages.tolist()))),
            fix="Choose other languages, or build a corpus that has them.",
        )
    return chosen
