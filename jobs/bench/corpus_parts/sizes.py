"""The paper's corpus, built at full size and at a tenth: speed, memory, time per row."""

from pathlib import Path

from corpus_parts.builds import BuildOutcome, run_build
from corpus_parts.inputs import Inputs, scratch, write_inputs
from corpus_parts.rows import RowSettings
from corpus_parts.sentences import Sentences, data_folder
from corpus_parts.settings import CorpusBench
from resuming import say

from palo.benchmark import Figure, spread
from palo.corpus.config import CorpusConfig, SourceConfig
from palo.recipes.nano import BASE

_SMALLER = 10
_MOST_GIB = 6.0
_MOST_RATIO = 1.15


def corpus_config(
    inputs: Inputs, output: Path, root: Path, *, has_images: bool = True
) -> CorpusConfig:
    """Returns the settings of a build of generated rows, with the nano tower.

    The tokenizer is LLaMA's where the optional data folder is at hand.
    """
    source = SourceConfig(
        name="palo",
        path=inputs.rows,
        images=inputs.images if has_images else None,
        language="en",
    )
    return CorpusConfig(
        sources=(source,), output=output, tokenizer=tokenizer_folder(root), tower=BASE / "tower"
    )


def tokenizer_folder(root: Path) -> Path:
    """Returns the folder of LLaMA's tokenizer, or of the embedded one."""
    data = data_folder(root)
    return BASE / "tokenizer" if data is None else data / "tokenizer" / "llama2-32k"


def measure_sizes(settings: CorpusBench, sentences: Sentences, root: Path) -> list[Figure]:
    """Builds a tenth and the whole, and compares them."""
    tenth = _build(settings, sentences, root, settings.scaled(settings.records, 200) // _SMALLER)
    whole = _build(settings, sentences, root, settings.scaled(settings.records, 200))
    ratio = (whole.wall_s / whole.rows_in) / (tenth.wall_s / tenth.rows_in)
    rate, tenth_rate = (outcome.rows_in / outcome.wall_s for outcome in (whole, tenth))
    peak = whole.peak_gib
    return [
        spread("build_rows", [whole.rows_in], "rows"),
        spread("build_rows_per_s", [rate], "rows/s"),
        spread("build_peak_memory_gib", [peak], "GiB", target=_MOST_GIB, better="lower"),
        spread("build_tenth_rows_per_s", [tenth_rate], "rows/s"),
        spread("build_tenth_peak_memory_gib", [tenth.peak_gib], "GiB"),
        spread("build_time_per_row_ratio", [ratio], "1", target=_MOST_RATIO, better="lower"),
        spread("build_samples", [whole.num_samples], "samples"),
        spread("build_images_encoded", [whole.num_encoded], "images"),
    ]


def _build(
    settings: CorpusBench, sentences: Sentences, root: Path, num_records: int
) -> BuildOutcome:
    num_images = max(1, round(settings.images * num_records / settings.records))
    rows = RowSettings(num_records=num_records, num_images=num_images, seed=settings.seed)
    say(f"build of {num_records:,} records, {num_images:,} images")
    inputs = write_inputs(settings, rows, sentences)
    with scratch(settings, f"built-{num_records}") as folder:
        config = corpus_config(inputs, folder / "corpus", root)
        return run_build(config, settings.cores, folder)
