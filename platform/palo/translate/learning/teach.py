"""Trains a local causal model on approved translations: a text corpus and one training stage."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from palo.checkpoint.finished import StageResult, is_finished, read_stage
from palo.checkpoint.importing import open_parts
from palo.checkpoint.load import load_trained
from palo.checkpoint.parts import ModelParts
from palo.corpus.build import build_corpus
from palo.corpus.config import CorpusConfig, SourceConfig
from palo.model.lora import LoraSettings
from palo.terminal import visible
from palo.text.encoding import EncodingLimits
from palo.train.launch import run_stage
from palo.train.stages import OptimizerSettings, StageConfig, StageJob, WorkerSettings
from palo.translate.learning.local_translator import translate_examples, untaught
from palo.translate.learning.report import Gain
from palo.translate.learning.training_set import TrainingSet, TranslationExample

_STAGE = "stage"


def _default_stage() -> StageConfig:
    return StageConfig(
        template="vicuna_v1",
        trains="lora",
        lora=LoraSettings(rank=32, alpha=64, dropout=0.0),
        optimizer=OptimizerSettings(lr_projector=0.0, lr_language_model=2e-3, warmup_ratio=0.05),
        global_batch=32,
        token_budget=4096,
        epochs=3,
        dtype="float32",
        workers=WorkerSettings(count=1),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class TeachSettings:
    """How a model is taught.

    Attributes:
        parts: The model. No image is shown to it, so any image tower will do.
        stage: Its training.
        max_text_tokens: Longest example with its prompt, in tokens; longer ones are left out.
        max_new_tokens: Most tokens of a held-out translation.
        max_bad_share: Largest share of examples that may be left out.
    """

    parts: ModelParts
    stage: StageConfig = field(default_factory=_default_stage)
    max_text_tokens: int = 448
    max_new_tokens: int = 128
    max_bad_share: float = 0.05

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        for name in ("max_text_tokens", "max_new_tokens"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)} but must be at least 1"
        if self.stage.trains == "projector":
            yield "stage.trains is projector, but translating is up to the language model"


def teach(training_set: TrainingSet, settings: TeachSettings, output: Path) -> StageResult:
    """Trains a model on the learnt part, from its last checkpoint; does nothing if it is finished.

    Args:
        training_set: What to learn.
        settings: How. Ray must be running.
        output: Folder of the corpus and of the stage.

    Raises:
        PaloError: What building a corpus and training raise.
    """
    parts = open_parts(settings.parts)
    parts.require()
    stage = output / _STAGE
    if is_finished(stage):
        return read_stage(stage)
    corpus = CorpusConfig(
        sources=(SourceConfig(name="corrections", path=training_set.records),),
        output=output / "corpus",
        tokenizer=parts.tokenizer,
        tower=parts.tower,
        template=settings.stage.template,
        limits=EncodingLimits(max_text_tokens=settings.max_text_tokens, overflow="truncate"),
        max_bad_share=settings.max_bad_share,
    )
    build_corpus(corpus, say=lambda line: print(f"corpus  {visible(line)}", flush=True))
    absolute = replace(
        parts,
        tower=parts.tower.resolve(),
        language_model=parts.language_model.resolve(),
        tokenizer=parts.tokenizer.resolve(),
    )
    job = StageJob(
        name="translator",
        config=settings.stage,
        parts=absolute,
        corpus=corpus.output.resolve(),
        output=stage.resolve(),
    )
    return run_stage(job)


def gain_of(
    settings: TeachSettings, taught: StageResult, held_out: list[TranslationExample]
) -> Gain:
    """Translates the held-out examples with the model as it was, and as it is.

    Args:
        settings: How it was taught.
        taught: The finished stage.
        held_out: What it has not seen.
    """
    model = untaught(settings.parts, settings.stage.template)
    before = translate_examples(model, held_out, max_new_tokens=settings.max_new_tokens)
    model = load_trained(taught.folder)
    after = translate_examples(model, held_out, max_new_tokens=settings.max_new_tokens)
    return Gain(examples=held_out, before=before, after=after)
