"""Parsing and tokenising by the job against the bare tokenizer, with its texts in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from corpus_parts.builds import run_build
from corpus_parts.inputs import Inputs, scratch, write_inputs
from corpus_parts.rows import RowSettings, generated_origin
from corpus_parts.sentences import Sentences
from corpus_parts.settings import CorpusBench
from corpus_parts.sizes import corpus_config
from corpus_parts.together import run_together
from resuming import say

from palo.benchmark import Figure, resampled, spread
from palo.corpus.config import AS_IT_IS, CleaningSettings, CorpusConfig
from palo.corpus.parse.worker import parse_row
from palo.corpus.sources import read_split, split_source
from palo.data.records import Record

_TARGET = 0.70
_TEXTS_PER_CALL = 4096


@dataclass(frozen=True, slots=True)
class _Round:
    """Seconds of every side, one after the other."""

    bare_s: float
    job_s: float
    cleaning_job_s: float


def measure_tokenising(settings: CorpusBench, sentences: Sentences, root: Path) -> list[Figure]:
    """Builds a corpus of text alone, as it is and cleaned, and runs the bare tokenizer in turn.

    The job's seconds are those of the whole build: reading, cutting and parsing the array,
    templates, ids and labels, Parquet between the steps and at the end, and the start of workers.
    """
    count = settings.scaled(settings.text_records, 200)
    rows = RowSettings(num_records=count, num_images=0, seed=settings.seed)
    inputs = write_inputs(settings, rows, sentences)
    rounds = []
    with scratch(settings, "tokenised") as folder:
        config = corpus_config(inputs, folder / "corpus", root, has_images=False)
        for number in range(settings.repeats):
            say(f"parsing and tokenising, round {number + 1}")
            bare_s = _bare_seconds(inputs, config, settings.cores)
            job_s, cleaning_s = (
                run_build(
                    replace(config, cleaning=cleaning, output=folder / f"{number}-{index}"),
                    settings.cores,
                    folder,
                ).wall_s
                for index, cleaning in enumerate((AS_IT_IS, CleaningSettings()))
            )
            rounds.append(_Round(bare_s, job_s, cleaning_s))
    return [
        resampled("parse_and_tokenise_ratio", _ratio, rounds, "1", target=_TARGET, better="higher"),
        resampled("parse_clean_and_tokenise_ratio", _cleaning_ratio, rounds, "1"),
        spread("bare_tokenizer_records_per_s", [count / r.bare_s for r in rounds], "records/s"),
        spread("parse_and_tokenise_records_per_s", [count / r.job_s for r in rounds], "records/s"),
    ]


def _ratio(rounds: Sequence[_Round]) -> float:
    return sum(r.bare_s for r in rounds) / sum(r.job_s for r in rounds)


def _cleaning_ratio(rounds: Sequence[_Round]) -> float:
    return sum(r.bare_s for r in rounds) / sum(r.cleaning_job_s for r in rounds)


@dataclass(frozen=True, slots=True)
class _Share:
    """The part of the texts that one process tokenises."""

    rows: Path
    tokenizer: Path
    number: int
    count: int


def _bare_seconds(inputs: Inputs, config: CorpusConfig, cores: int) -> float:
    shares = [_Share(inputs.rows, config.tokenizer, number, cores) for number in range(cores)]
    return max(done.seconds for done in run_together(_bare, shares))


def _bare(share: _Share) -> Callable[[], int]:
    """Reads texts into memory; the work is the tokenizer package on lists of them."""
    from palo.text.tokenizer import load_tokenizer

    texts = [
        turn.text
        for number, record in enumerate(records_of_file(share.rows))
        if number % share.count == share.number
        for turn in record.turns
    ]
    if (share.tokenizer / "tokenizer.model").is_file():
        from sentencepiece import SentencePieceProcessor

        processor = SentencePieceProcessor(model_file=str(share.tokenizer / "tokenizer.model"))
        starts = range(0, len(texts), _TEXTS_PER_CALL)
        return lambda: sum(
            len(processor.encode(texts[start : start + _TEXTS_PER_CALL], num_threads=1))
            for start in starts
        )
    tokenizer = load_tokenizer(share.tokenizer)
    return lambda: sum(1 for text in texts if tokenizer.encode(text) is not None)


def records_of_file(path: Path) -> Iterator[Record]:
    """Yields the records of a generated file."""
    origin = generated_origin()
    for split in split_source(path):
        for raw in read_split(split):
            outcome = parse_row(raw, origin, split.row_offset(raw.offset))
            if isinstance(outcome, Record):
                yield outcome
