"""What a stage is known by: fingerprints of all that decides what it learns."""

from typing import Any

from palo import config
from palo.checkpoint.finished import projector_hash
from palo.checkpoint.parts import weights_fingerprint
from palo.data.corpus_reader import open_corpus
from palo.train.stages import StageJob

# Settings that may change when a run is continued: they don't change what is learned, but for the
# order in which numbers are added.
_FREE = (
    "workers", "zero", "checkpoint_every", "checkpoint_every_s", "keep_checkpoints", "keep_best",
    "result", "store_wait_s", "token_budget", "recompute_every", "chunked_loss", "metrics",
)  # fmt: skip
# Free as well, and named all the same: what earlier versions wrote there is kept.
_NAMED = {"attention": "palo_segments"}
# Settings of later versions, with the values that stand for what was before them.
_LATER = {
    "languages": None,
    "language_temperature": None,
    "train_projector": True,
    "train_new_tokens": True,
    "lr_new_tokens": None,
    "base_precision": "full",
    "rslora": False,
    "dora": False,
    "fused": False,
    "shared_dropout": False,
    "lora_plus_ratio": 1.0,
}


def identity(job: StageJob) -> dict[str, str]:
    """Returns the fingerprints of everything that decides what a stage learns.

    They name contents, never paths: a run that was moved or copied stays the same run.

    Args:
        job: The stage.
    """
    settings = {k: v for k, v in config.to_dict(job.config).items() if k not in _FREE} | _NAMED
    # When the loss on held-out rows is computed is free; which rows these are is not.
    del settings["validation"]["every"]
    if job.config.validation.rows_per_language == 0:
        del settings["validation"]
    return {
        "corpus": open_corpus(job.corpus).manifest.fingerprint,
        "image tower": weights_fingerprint(job.parts.tower),
        "language model": weights_fingerprint(job.parts.language_model),
        "projector": config.fingerprint([job.parts.projector_type, _projector_hash(job)]),
        "settings": config.fingerprint(_without_unused(settings)),
    }


def _without_unused(settings: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what earlier versions lacked, where it isn't used: their runs go on."""
    return {
        name: _without_unused(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if not (name in _LATER and value == _LATER[name])
    }


def _projector_hash(job: StageJob) -> str | None:
    return None if job.projector is None else projector_hash(job.projector)
