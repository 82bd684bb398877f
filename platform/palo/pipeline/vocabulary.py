"""Extending the vocabulary of a language model: texts, tokenizer, rows, and a record of it all."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palo import storage
from palo.checkpoint.exporting.output_folder import (
    STAMP,
    Wanted,
    appearing,
    is_done,
    require_apart,
)
from palo.checkpoint.extended_language_model import write_extended
from palo.checkpoint.parts import weights_fingerprint
from palo.config import to_dict
from palo.corpus.config import SourceConfig
from palo.corpus.parallel.files import text_files
from palo.corpus.parallel.settings import ParallelSettings
from palo.corpus.parse.origin import origin_of
from palo.corpus.parse.worker import parse_row
from palo.corpus.sources import read_split, split_source
from palo.data.records import Record
from palo.errors import DataError
from palo.progress import Meter
from palo.text.normal_form import normalized
from palo.text.tokenizer import TextTokenizer, load_tokenizer
from palo.text.vocabulary.extend import VocabularySettings, extend_tokenizer

RECORD = "vocabulary.json"
"""File of an extended language model that says what its vocabulary was extended by."""

_FORMAT = 1
_MOST_COMPARED = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class VocabularyJob:
    """What to extend, and what to learn from.

    Attributes:
        language_model: Folder of a language model of Llama's architecture.
        tokenizer: Folder of its tokenizer; None for the language model's own folder.
        parallel: Parallel text, or text in one language: a file, a folder, or a list of sources.
        instructions: Conversations, as a corpus is built from them.
        vocabulary: Which pieces.
        output: Folder to write: language model and tokenizer together.
        force: Replaces a folder that holds something else.
    """

    language_model: Path
    tokenizer: Path | None = None
    parallel: tuple[Path, ...] = ()
    instructions: tuple[Path, ...] = ()
    vocabulary: VocabularySettings = field(default_factory=VocabularySettings)
    output: Path
    force: bool = False

    def faults(self) -> Iterator[str]:
        """Yields what is missing."""
        if not self.parallel and not self.instructions:
            yield "there is nothing to learn from: give --parallel or --instructions"
        yield from self.vocabulary.faults()


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenCounts:
    """How many tokens the texts that were learned from have.

    Attributes:
        texts: Texts that were counted, the first ones.
        before: Their tokens before.
        after: Their tokens now.
    """

    texts: int
    before: int
    after: int


def extend_vocabulary(job: VocabularyJob, say: Callable[[str], None]) -> Mapping[str, Any] | None:
    """Writes a language model and its tokenizer with new tokens, all in one folder or nothing.

    Args:
        job: What to do.
        say: Receives lines for people.

    Returns:
        The record of it, as in vocabulary.json; None if the folder holds the same already.

    Raises:
        ConfigError: If a language is written in Latin letters.
        DataError: If a language has too little text.
        MismatchError: If tokenizer or language model can't be extended.
        StorageError: If a file can't be read or written, or the folder holds something else.
    """
    tokenizer = load_tokenizer(job.tokenizer or job.language_model)
    require_apart(job.output, [job.language_model, tokenizer.files[0].parent])
    made_of = {
        "settings": to_dict(job.vocabulary),
        "sources": _hashes((*job.parallel, *job.instructions)),
        "base": {
            "language_model": weights_fingerprint(job.language_model),
            "tokenizer": tokenizer.fingerprint,
        },
    }
    wanted = Wanted(stamp={"format": _FORMAT, **made_of}, verified=False, force=job.force)
    if is_done(job.output, wanted):
        return None
    with appearing(job.output, wanted) as folder:
        if folder is None:
            return None
        return _write(job, tokenizer, made_of, folder, say)


def _write(
    job: VocabularyJob,
    old: TextTokenizer,
    made_of: Mapping[str, Any],
    folder: Path,
    say: Callable[[str], None],
) -> Mapping[str, Any]:
    kept: dict[str, list[str]] = {}
    texts = _kept(_texts(job, say), kept)
    extension = extend_tokenizer(old, texts, job.vocabulary, folder)
    counts = _counts(old, load_tokenizer(folder), kept)
    rows = write_extended(job.language_model, extension.first_id, extension.old_ids, folder)
    record = {
        "format": _FORMAT,
        **made_of,
        "first_new_id": extension.first_id,
        "new_tokens": len(extension.old_ids),
        "rows": rows,
        "pieces_by_script": dict(extension.scripts),
        "learned_from": {code: to_dict(found) for code, found in counts.items()},
    }
    storage.write_json(folder / RECORD, record)
    storage.write_json(folder / STAMP, {"format": _FORMAT, **made_of})
    return record


def _kept(
    texts: Iterator[tuple[str, str]], kept: dict[str, list[str]]
) -> Iterator[tuple[str, str]]:
    """Passes texts on, and keeps the first ones of each language to count their tokens."""
    for language, text in texts:
        if len(kept.setdefault(language, [])) < _MOST_COMPARED:
            kept[language].append(text)
        yield language, text


def _counts(
    old: TextTokenizer, new: TextTokenizer, texts: Mapping[str, list[str]]
) -> dict[str, TokenCounts]:
    return {
        code: TokenCounts(
            texts=len(own),
            before=sum(len(old.encode(text)) for text in own),
            after=sum(len(new.encode(text)) for text in own),
        )
        for code, own in texts.items()
        if own
    }


def _hashes(paths: tuple[Path, ...]) -> dict[str, str]:
    """Returns the hash of each file that was read, by its name."""
    found: dict[str, str] = {}
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found |= {one.name: storage.file_hash(one) for one in inside if one.is_file()}
    return found


def _texts(job: VocabularyJob, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Yields language and text of all sources, in the normal form that a corpus has."""
    for path in job.parallel:
        for language, text in _parallel_texts(path):
            yield language, normalized("NFC", text)
    for path in job.instructions:
        for language, text in _instruction_texts(path, say):
            yield language, normalized("NFC", text)


def _parallel_texts(path: Path) -> Iterator[tuple[str, str]]:
    for source in ParallelSettings(path=path).sources:
        for file in text_files(source)[0]:
            for line in file.read():
                yield from line.texts.items()


def _instruction_texts(path: Path, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    # Images aren't read, but a row that names one needs a folder that it may lie in.
    source = SourceConfig(name="vocabulary", path=path, images=path.parent, language="en")
    origin = origin_of(source)
    splits = split_source(path)
    meter = Meter("learn", "rows", say, len(splits), by_effort=True)
    total = num_bad = 0
    for split in splits:
        num_records = 0
        for raw in read_split(split):
            found = parse_row(raw, origin, split.row_offset(raw.offset))
            if isinstance(found, Record):
                num_records += 1
                for turn in found.turns:
                    yield found.language, turn.text
            else:
                num_bad += 1
        meter.add(num_records, 1)
        total += num_records
    meter.finish()
    if not total:
        raise DataError(
            "no row is a conversation", seen=path, fix="Look at it with inspect_corpus."
        )
    if num_bad:
        say(f"{path}: {num_bad:,} rows are bad and were left out; inspect_corpus says why")
