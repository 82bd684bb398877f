"""Building a corpus: sources to clean records, pictures to the image store, records to samples.

The steps hand on files, named so that their order is that of the sources' rows. What is built
therefore doesn't depend on how many workers built it, and has the same fingerprint.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from palo.config import check, fingerprint, to_dict
from palo.data.accounts import language_counts
from palo.data.build_state import make_room, read_finished, settings_of, what_changed
from palo.data.build_steps import BuildSteps
from palo.data.corpus import open_samples
from palo.data.corpus_config import CorpusConfig
from palo.data.manifest import Manifest, code_version, write_manifest
from palo.data.sources import split_source
from palo.data.store_spec import StoreSpec
from palo.data.tower_encoder import spec_of
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildReport:
    """What a build did.

    Attributes:
        folder: The corpus.
        manifest: What is in it.
        reused: True if it was up to date and nothing was done.
        num_images_encoded: Images that were added to the image store.
        wall_s: How long it took, in seconds.
    """

    folder: Path
    manifest: Manifest
    reused: bool
    num_images_encoded: int
    wall_s: float


def build_corpus(config: CorpusConfig, say: Callable[[str], None] = _log.info) -> BuildReport:
    """Builds a corpus, or finds that it is up to date. Ray must be running.

    Args:
        config: What to build.
        say: Takes lines about progress, for people.

    Returns:
        What was done.

    Raises:
        ConfigError: If the configuration is wrong.
        DataError: If a source or archive can't be used as a whole, too many rows are bad, or none
            is left.
        MismatchError: If tokenizer and template, or a shared image store and tower, don't fit.
        ResourceError: If there are too few CPUs or GPUs for the encoders.
        StorageError: If a file can't be read or written.
    """
    start = time.monotonic()
    check(config)
    tokenizer = _fitting_tokenizer(config)
    spec = spec_of(config)
    pieces = [
        split_source(source.path, source.format, piece_bytes=1 << 62) for source in config.sources
    ]
    settings = settings_of(config, tokenizer, spec)
    manifest = read_finished(config.output)
    changed = [] if manifest is None else what_changed(config, manifest, settings)
    reused = manifest is not None and not changed
    steps = BuildSteps(config, spec, say)
    if manifest is not None and reused:
        say(f"{config.output} is up to date: {manifest.num_samples:,} samples")
    else:
        if changed:
            say(f"{config.output} is built anew, since these changed: {', '.join(changed)}")
        make_room(config, spec)
        steps.archives()
        steps.parse(pieces)
        steps.pictures()
        steps.duplicates()
        manifest = _manifest(config, spec, settings, steps, steps.encode())
        write_manifest(config.output / "manifest.json", manifest)
    return BuildReport(
        folder=config.output,
        manifest=manifest,
        reused=reused,
        num_images_encoded=steps.num_encoded,
        wall_s=time.monotonic() - start,
    )


def _fitting_tokenizer(config: CorpusConfig) -> str:
    """Returns the tokenizer's fingerprint after a first use, so that a misfit shows at once."""
    tokenizer = load_tokenizer(config.tokenizer)
    prompt = Conversation((Turn("user", "?", num_images=1),))
    encode_prompt(prompt, TEMPLATES[config.template], tokenizer)
    return tokenizer.fingerprint


def _manifest(
    config: CorpusConfig,
    spec: StoreSpec,
    settings: Mapping[str, Any],
    steps: BuildSteps,
    samples: str,
) -> Manifest:
    image_store = os.path.relpath(config.store_folder, config.output) if steps.has_images else None
    tokenizer = str(settings["tokenizer"])
    parts = [samples, config.template, tokenizer, to_dict(spec) if steps.has_images else None]
    counts = language_counts(config.output, steps.counts)
    return Manifest(
        stages=steps.accounts.stages(),
        languages=counts,
        num_samples=sum(count.num_samples for count in counts),
        num_images=_num_images(config.output),
        inputs={name: str(source["sha256"]) for name, source in settings["sources"].items()},
        settings=settings,
        template=config.template,
        tokenizer_fingerprint=tokenizer,
        tower_fingerprint=spec.tower_fingerprint if steps.has_images else "",
        image_store=image_store,
        code_version=code_version(),
        fingerprint=fingerprint(parts),
    )


def _num_images(corpus: Path) -> int:
    found: set[str] = set()
    for file in open_samples(corpus):
        found.update(pc.unique(file.read(columns=["image_id"]).column(0)).drop_null().to_pylist())
    return len(found)
