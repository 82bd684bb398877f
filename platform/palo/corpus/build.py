"""Builds a corpus, stage by stage: sources to records, images to the image store, to samples.

    parse        splits of the sources -> records/, cleaned and checked
    images       images of the records -> the image store, and image_table.parquet
    filter       records and image table -> decisions/: bad images, duplicates, the mixture
    encode       records and decisions -> samples/
    manifest     row counts of every stage, settings and fingerprint -> manifest.json

Each stage is a package with `driver.py`, which plans tasks and follows them, and `worker.py`, which
runs in Ray's workers. Stages pass files, named after the offsets of their rows. The corpus and its
fingerprint therefore don't depend on the number of workers, nor on interruptions.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from palo import storage
from palo.config import check, fingerprint
from palo.corpus.build_run import BuildRun
from palo.corpus.build_state import (
    changes,
    make_room,
    read_begun,
    read_finished,
    settings_of,
    what_changed,
)
from palo.corpus.config import CorpusConfig
from palo.corpus.encode.driver import EncodedCorpus, EncodeStage
from palo.corpus.filter.decisions import used_images
from palo.corpus.filter.driver import FilterStage
from palo.corpus.images_step.driver import ImagesStage
from palo.corpus.images_step.tower_encoder import spec_of
from palo.corpus.parse.driver import ParseStage
from palo.corpus.source_check import check_images
from palo.corpus.sources import Split, split_source
from palo.data.manifest import Manifest, code_version, write_manifest
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildReport:
    """The report of a build.

    Attributes:
        folder: Folder of the corpus.
        manifest: Its manifest.
        reused: Whether the corpus was up to date and nothing was done.
        num_images_encoded: Images that were added to the image store.
        num_run: Number of tasks that ran, by step.
        num_reused: Number of tasks that an earlier build had done, by step.
        wall_s: Duration of the build in seconds.
    """

    folder: Path
    manifest: Manifest
    reused: bool
    num_images_encoded: int
    num_run: Mapping[str, int]
    num_reused: Mapping[str, int]
    wall_s: float


def build_corpus(config: CorpusConfig, say: Callable[[str], None] = _log.info) -> BuildReport:
    """Builds a corpus, or finds that it is up to date. Ray must be running.

    Args:
        config: What to build.
        say: Takes lines about progress, for people.

    Returns:
        A report of the build.

    Raises:
        ConfigError: If the configuration is wrong.
        DataError: If a source or archive can't be used as a whole, too many rows are bad, or none
            is left.
        MismatchError: If tokenizer and template, or a shared image store and tower, don't fit.
        ResourceError: If there are too few CPUs or GPUs for the encoders, or another build runs
            in the folder.
        StorageError: If a file can't be read or written.
    """
    start = time.monotonic()
    check(config)
    tokenizer = _fitting_tokenizer(config)
    spec = spec_of(config)
    if config.image_stores is not None:
        config = replace(config, image_store=config.image_stores / spec.name, image_stores=None)
    splits = [split_source(source.path, source.format) for source in config.sources]
    for source, own in zip(config.sources, splits, strict=True):
        check_images(source, own)
    settings = settings_of(config, splits, tokenizer, spec)
    manifest = read_finished(config.output)
    changed = [] if manifest is None else what_changed(config, manifest, settings)
    run = BuildRun(config, spec, tokenizer, say)
    num_encoded = 0
    reused = manifest is not None and not changed
    if manifest is not None and reused:
        say(f"{config.output} is up to date: {manifest.num_samples:,} samples")
    else:
        if changed:
            say(f"{config.output} is rebuilt where these changes matter: {_list(changed)}")
        else:
            _say_how_it_resumes(config, settings, say)
        with storage.alone_in(config.output):
            make_room(config, spec, settings)
            manifest, num_encoded = _build(run, splits, settings)
    return BuildReport(
        folder=config.output,
        manifest=manifest,
        reused=reused,
        num_images_encoded=num_encoded,
        num_run=dict(run.num_run),
        num_reused=dict(run.num_reused),
        wall_s=time.monotonic() - start,
    )


def _say_how_it_resumes(
    config: CorpusConfig, settings: Mapping[str, Any], say: Callable[[str], None]
) -> None:
    begun = read_begun(config.output)
    if begun is None:
        return
    changed = changes(begun, settings)
    if changed:
        say(f"the build of {config.output} resumes, but these changed: {_list(changed)}")
    else:
        say(f"the build of {config.output} resumes where it was stopped")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _build(
    run: BuildRun, splits: Sequence[Sequence[Split]], settings: Mapping[str, Any]
) -> tuple[Manifest, int]:
    """Runs the stages; returns the manifest and the number of images that were encoded."""
    parse, images = ParseStage(run), ImagesStage(run)
    images.index_archives()
    index = parse.parse(splits)
    paths, uses = used_images(index, run.config.mixture)
    image_table = images.store_images(paths, uses)
    decisions = FilterStage(run).decide(index, image_table)
    encoded = EncodeStage(run, splits).encode(index, decisions)
    run.sweep()
    manifest = _manifest(run, settings, inputs=parse.inputs, encoded=encoded)
    write_manifest(run.config.output / "manifest.json", manifest)
    return manifest, images.num_encoded


def _fitting_tokenizer(config: CorpusConfig) -> str:
    """Returns the tokenizer's fingerprint, after a first use that shows a mismatch early."""
    tokenizer = load_tokenizer(config.tokenizer)
    prompt = Conversation((Turn("user", "?", num_images=1),))
    encode_prompt(prompt, TEMPLATES[config.template], tokenizer)
    return tokenizer.fingerprint


def _manifest(
    run: BuildRun,
    settings: Mapping[str, Any],
    *,
    inputs: Mapping[str, str],
    encoded: EncodedCorpus,
) -> Manifest:
    config, spec = run.config, run.spec
    num_images = _num_images(config.output, encoded.files)
    image_store = storage.relative_text(config.store_folder, config.output) if num_images else None
    parts = [encoded.digest, config.template, run.tokenizer, spec.values if num_images else None]
    counts = run.row_counts.languages()
    return Manifest(
        stages=run.row_counts.stages(),
        languages=counts,
        sources=run.row_counts.sources(),
        files=encoded.files,
        num_samples=sum(count.num_samples for count in counts),
        num_images=num_images,
        inputs=inputs,
        settings=settings,
        template=config.template,
        tokenizer_fingerprint=run.tokenizer,
        tokenizer=str(config.tokenizer.resolve()),
        tower_fingerprint=spec.tower_fingerprint if num_images else "",
        image_store=image_store,
        code_version=code_version(),
        fingerprint=fingerprint(parts),
    )


def _num_images(corpus: Path, files: Iterable[str]) -> int:
    found: list[pa.Array] = [pa.array([], pa.string())]
    for name in files:
        column = storage.read_table(corpus / name, columns=["image_id"]).column("image_id")
        found.append(column.unique().drop_null())
    return len(pc.unique(pa.chunked_array(found)))
