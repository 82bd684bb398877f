"""A recipe: everything that one run needs, from source files to a finished model."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from palo import languages
from palo.checkpoint.parts import ModelParts, own_language_model
from palo.corpus.config import CleaningSettings
from palo.corpus.filter.mixture import MixtureSettings
from palo.corpus.images_step.encoder_settings import EncoderSettings
from palo.corpus.parallel.settings import ParallelSettings
from palo.scenes.corpus import SceneCorpusConfig
from palo.scenes.parallel_text import SceneTextConfig
from palo.scenes.signs.rows import SignsConfig
from palo.scenes.text_rows import TextRowsConfig
from palo.storage import S3Path
from palo.train.stages import StageConfig

EACH = "each"
"""In place of languages: an adapter for each language of the corpus."""

DRAWN = "scenes"
"""Folder of the drawn scenes in a run folder; a recipe's paths of them begin with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSettings:
    """The source files of a run, and how they become samples.

    Attributes:
        captions: JSON, JSON lines, CSV or Parquet for the pretrain stage; or a list of sources, a
            .toml file with a table for each, which names their images itself.
        captions_images: Folder that its image paths start from.
        instructions: The same for the finetune stage.
        instructions_images: Folder that its image paths start from.
        more_instructions: A second file for the finetune stage, with images in the same folder, or
            with text alone.
        more_language: Language of its rows that name none; as `language` if None.
        language: ISO 639-1 code of rows that name none, where their list of sources doesn't say it
            either; None is en for a file, and no language for a list.
        image_place: Where an image without `<image>` goes: before the first question (first); or
            nowhere (marked), and its row is bad. A list of sources says it itself.
        questions: Held-out questions with short answers, as JSON lines, to score exact match.
        questions_images: Folder that their image paths start from.
        max_answer_tokens: Longest answer to a held-out question.
        score_every: Steps of the finetune stage between scores on a few of these questions, into
            its `scores.jsonl`; None for none. One worker answers while the others wait, and on a
            GPU it holds a second copy of the model meanwhile.
        scored_questions: How many of each language are asked then.
        photos: Held-out photos with captions, as JSON lines, to compare right and wrong photos.
        photos_images: Folder that their image paths start from.
        aspect: How an image that is not square becomes square in the finetune stage.
        pretrain_aspect: The same in the pretrain stage.
        max_text_tokens: Longest sample, image tokens not counted.
        overflow: What happens to longer conversations: split between rounds, or LLaVA's cut.
        cleaning: How records are cleaned, and which are left out.
        mixture: Which instructions the finetune stage is trained on.
        store: Keep the tower's features of each image, so that training never runs the tower, or
            pixels, which take a third of the space of CLIP's features.
        encoders: The processes that run the tower when a corpus is built.
        image_stores: Folder of image stores, which may lie on S3. Each is named after what it
            holds, and all recipes of a tower that name one folder share it; None for `images`
            among the run's corpora.
        max_bad_share: Largest share of bad rows that a build accepts.
        report: Write a page about each corpus that is built, with images.
        expected_captions: Rows that a dry run assumes before the pretrain corpus is built.
        expected_instructions: Rows that a dry run assumes before the finetune corpus is built.
        expected_images: Distinct images of those rows that it assumes.
    """

    captions: Path
    captions_images: Path
    instructions: Path
    instructions_images: Path
    more_instructions: Path | None = None
    more_language: str | None = None
    language: str | None = None
    image_place: Literal["first", "marked"] = "first"
    questions: Path | None = None
    questions_images: Path | None = None
    max_answer_tokens: int = 64
    score_every: int | None = None
    scored_questions: int = 10
    photos: Path | None = None
    photos_images: Path | None = None
    aspect: Literal["pad", "crop"] = "pad"
    pretrain_aspect: Literal["pad", "crop"] = "pad"
    max_text_tokens: int = 1472
    overflow: Literal["split", "truncate"] = "split"
    cleaning: CleaningSettings = field(default_factory=CleaningSettings)
    mixture: MixtureSettings = field(default_factory=MixtureSettings)
    store: Literal["features", "pixels"] = "features"
    encoders: EncoderSettings = field(default_factory=EncoderSettings)
    image_stores: Path | None = None
    max_bad_share: float = 0.05
    report: bool = True
    expected_captions: int | None = None
    expected_instructions: int | None = None
    expected_images: int | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.language is not None and not languages.known(self.language):
            yield f"language {self.language!r} is not one of {', '.join(languages.codes())}"
        if self.more_language is not None and not languages.known(self.more_language):
            yield f"more_language {self.more_language!r} is not one of the known languages"
        if self.max_text_tokens < 1:
            yield f"max_text_tokens is {self.max_text_tokens} but must be at least 1"
        if self.max_answer_tokens < 1:
            yield f"max_answer_tokens is {self.max_answer_tokens} but must be at least 1"
        if self.score_every is not None and self.score_every < 1:
            yield f"score_every is {self.score_every} but must be at least 1"
        if self.score_every is not None and self.questions is None:
            yield "score_every needs questions"
        if self.scored_questions < 1:
            yield f"scored_questions is {self.scored_questions} but must be at least 1"
        if not 0 <= self.max_bad_share <= 1:
            yield f"max_bad_share is {self.max_bad_share} but must be from 0 to 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """One run, complete.

    Attributes:
        scale: nano, mini, mobile-1.7b, 7b or 13b.
        output: The run folder: on a disk, which all machines share if there are several, or on S3.
        corpora: Folder of the corpora and image stores, which may lie on S3, to share among
            recipes: corpora there are named by what they are made of. None keeps them in the run
            folder.
        parts: The model's pretrained parts.
        data: Source files.
        pretrain: The projector's stage; None to start from `projector`.
        finetune: The language model's stage.
        projector: A finished stage, a file mm_projector.bin or any model whose projector the
            finetune stage starts from, in place of a pretrain stage.
        pretrain_output: Folder of the pretrain stage, to share among recipes; whichever comes first
            trains it. None keeps it in the run folder.
        finetune_output: Folder of the finetune stage; None keeps it in the run folder.
        adapters: Trains an adapter for each of these in place of one for all: ISO 639-1 codes, of
            several languages joined by a comma (hi,ur), or `each` for one for each language of the
            corpus. The projector then stays as the pretrain stage left it, the same for all.
        scenes: The scenes that are drawn as source files first, for the embedded default.
        align: The stage before both, of the language model alone on parallel text; None for none.
        parallel: Its text.
        scene_text: Sentences about scenes that are written as its source file first.
        text_rows: Conversations about scenes in words alone that are written first, too; name
            them by `data.more_instructions`.
        heldout_requests: Writes requests to describe the held-out images beside their questions;
            name them by `data.questions`.
        signs: Images with signs, and rows about what these say, that are written as well; name
            the rows by `data.more_instructions` and `data.questions`.
    """

    scale: str
    output: Path
    parts: ModelParts
    data: DataSettings
    pretrain: StageConfig | None
    finetune: StageConfig
    projector: Path | None = None
    corpora: Path | None = None
    pretrain_output: Path | None = None
    finetune_output: Path | None = None
    adapters: tuple[str, ...] = ()
    scenes: SceneCorpusConfig | None = field(default=None)
    align: StageConfig | None = None
    parallel: ParallelSettings | None = None
    scene_text: SceneTextConfig | None = None
    text_rows: TextRowsConfig | None = None
    heldout_requests: bool = False
    signs: SignsConfig | None = None

    def faults(self) -> Iterator[str]:
        """Yields what contradicts itself."""
        for name in ("questions", "photos"):
            if (getattr(self.data, name) is None) != (getattr(self.data, f"{name}_images") is None):
                yield f"data.{name} and data.{name}_images go together"
        yield from self._adapter_faults()
        if self.pretrain is None and self.projector is None:
            yield "without a pretrain stage a projector to start from is needed"
        if self.pretrain is not None and self.projector is not None:
            yield "a projector to start from takes the place of the pretrain stage: not both"
        if (self.align is None) != (self.parallel is None):
            yield "an align stage and parallel text go together"
        for name in ("scene_text", "text_rows", "heldout_requests", "signs"):
            if getattr(self, name) and self.scenes is None:
                yield f"{name} needs scenes"
        if self.align is None:
            return
        if self.align.trains == "projector":
            yield "align.trains is projector, which learns nothing without images"
        if isinstance(self.output, S3Path):
            yield "an align stage needs an output on a disk, since others read its language model"

    def _adapter_faults(self) -> Iterator[str]:
        if not self.adapters:
            return
        if self.finetune.trains != "lora":
            yield f"adapters go with finetune.trains=lora, not with {self.finetune.trains}"
        if self.finetune.languages is not None:
            yield "adapters name their languages: leave finetune.languages out"
        if self.adapters == (EACH,):
            return
        codes = [code for group in self.adapter_groups for code in group]
        for code in codes:
            if not languages.known(code):
                known = ", ".join(languages.codes())
                yield f"adapters: {code!r} is neither {EACH} nor one of {known}"
        names = [",".join(group) for group in self.adapter_groups]
        if len(set(names)) < len(names):
            yield f"adapters: two are for the same languages, {' '.join(names)}"

    @property
    def adapter_groups(self) -> list[tuple[str, ...]]:
        """The languages of each adapter that is named."""
        return [tuple(text.split(",")) for text in self.adapters]

    def source(self, path: Path) -> Path:
        """Returns the path of a source file: drawn scenes are in the run folder, below `scenes`.

        Args:
            path: A source file as the recipe names it.
        """
        is_drawn = self.scenes is not None and path.parts[:1] == (DRAWN,)
        return self.output / path if is_drawn else path

    @property
    def corpora_folder(self) -> Path:
        """Folder of the corpora and image stores."""
        return self.output / "corpus" if self.corpora is None else self.corpora

    @property
    def image_stores_folder(self) -> Path:
        """Folder of the image stores; among corpora on S3, from which no disk can be reached."""
        shared, corpora = self.data.image_stores, self.corpora_folder
        if shared is None or (isinstance(corpora, S3Path) and not isinstance(shared, S3Path)):
            return corpora / "images"
        return shared

    @property
    def align_folder(self) -> Path:
        """Folder of the align stage."""
        return self.output / "align"

    @property
    def image_parts(self) -> ModelParts:
        """The parts that the stages with images start from."""
        if self.align is None:
            return self.parts
        has_adapter = self.align.trains == "lora"
        language_model = own_language_model(self.align_folder, has_adapter=has_adapter)
        return replace(self.parts, language_model=language_model)

    @property
    def pretrain_folder(self) -> Path:
        """Folder of the pretrain stage."""
        return self.pretrain_output or self.output / "pretrain"

    @property
    def finetune_folder(self) -> Path:
        """Folder of the finetune stage."""
        return self.finetune_output or self.output / "finetune"
