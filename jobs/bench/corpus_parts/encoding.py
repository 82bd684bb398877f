"""Images through the tower: the job against bare loops over the same tower, images and batches.

The bare loop that decodes too reads, decodes and encodes images one batch after the other, in one
process for each core. The bare tower gets images that are decoded already, in one process with one
thread; the job that it is compared with has one encoder, and its decoders the other cores.
"""

import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from corpus_parts.builds import BuildOutcome, run_build
from corpus_parts.inputs import Inputs, scratch
from corpus_parts.rows import image_path
from corpus_parts.sentences import Sentences, data_folder, read_sentences
from corpus_parts.settings import EncodeBench
from corpus_parts.sizes import corpus_config
from corpus_parts.together import run_together
from PIL import Image
from resuming import Kept, say

from palo import languages
from palo.benchmark import Figure, spread
from palo.corpus.config import CorpusConfig
from palo.corpus.images_step.encoder_settings import EncoderSettings

_TARGET = 0.90
_BATCH = 16
_STEP = "images: "


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast images were encoded.

    Attributes:
        rate: Images per second.
        cpu_s: CPU seconds of an image.
    """

    rate: float
    cpu_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What was as fast as what, in one round.

    Attributes:
        job: The job with an encoder on each core.
        bare: The bare loop that decodes too, with a process on each.
        tower_job: The job with one encoder.
        bare_tower: The bare tower, on images that are decoded already.
        encodes: How often the job has encoded each image.
    """

    job: Speed
    bare: Speed
    tower_job: Speed
    bare_tower: Speed
    encodes: float


def measure_rounds(settings: EncodeBench, kept: Kept, root: Path) -> list[Round]:
    """Builds corpora whose every image is in all languages, and runs the bare loops in turn.

    Args:
        settings: What to encode.
        kept: Rounds that were measured before.
        root: The checkout.
    """
    sentences = read_sentences(root)
    rounds = []
    with scratch(settings, "encoded") as folder:
        inputs = Inputs(folder / "rows.json", folder / "images")
        _write_images(inputs.images, settings.images, root)
        _write_rows(inputs.rows, settings.images, sentences)
        config = _config(settings, inputs, folder, root)
        for number in range(settings.repeats):
            say(f"{settings.images} images, round {number + 1} of {settings.repeats}")
            one = replace(config, output=folder / f"corpus-{number}")
            measure = partial(_round, settings, one, inputs)
            rounds += kept.result(f"round-{number}", Round, measure)
    return rounds


def _round(settings: EncodeBench, config: CorpusConfig, inputs: Inputs) -> list[Round]:
    """Returns one round, as `Kept` has it."""
    speeds: list[Speed] = []
    encodes = 0.0
    for encoders, is_tower in ((settings.cores, False), (1, True)):
        own = replace(
            config,
            output=config.output.with_name(f"{config.output.name}-{encoders}-encoders"),
            encoders=EncoderSettings(count=encoders, batch=_BATCH),
        )
        outcome = run_build(own, settings.cores, config.output.parent)
        encodes = max(encodes, outcome.num_encoded / settings.images)
        speeds += [
            _of_job(outcome, settings.images, only_encoders=is_tower),
            _run_bare(own, inputs, settings.images, encoders, decodes=not is_tower),
        ]
    job, bare, tower_job, bare_tower = speeds
    return [Round(job=job, bare=bare, tower_job=tower_job, bare_tower=bare_tower, encodes=encodes)]


def encoding_figures(rounds: Sequence[Round]) -> list[Figure]:
    """Returns the figures of the rounds.

    Args:
        rounds: From `measure_rounds`.
    """
    whole = [(one.job, one.bare) for one in rounds]
    tower = [(one.tower_job, one.bare_tower) for one in rounds]
    encodes = [one.encodes for one in rounds]
    return [
        *_ratios("", whole),
        *_ratios("tower_", tower),
        spread("job_images_per_s", [job.rate for job, _ in whole], "images/s"),
        spread("bare_images_per_s", [bare.rate for _, bare in whole], "images/s"),
        spread("job_cpu_s_per_image", [job.cpu_s for job, _ in whole], "s"),
        spread("bare_cpu_s_per_image", [bare.cpu_s for _, bare in whole], "s"),
        spread("bare_tower_images_per_s", [bare.rate for _, bare in tower], "images/s"),
        spread("encodes_per_image", encodes, "1", target=1.0, better="lower"),
    ]


def _ratios(name: str, pairs: Sequence[tuple[Speed, Speed]]) -> Iterator[Figure]:
    """Yields how fast, and how sparing with CPU time, the job is against a bare loop."""
    rates = [job.rate / bare.rate for job, bare in pairs]
    cpus = [bare.cpu_s / job.cpu_s for job, bare in pairs]
    yield spread(f"{name}ratio", rates, "1", target=_TARGET, better="higher")
    yield spread(f"{name}cpu_ratio", cpus, "1", target=_TARGET, better="higher")


def _config(settings: EncodeBench, inputs: Inputs, folder: Path, root: Path) -> CorpusConfig:
    config = replace(corpus_config(inputs, folder / "corpus", root), images_per_shard=_BATCH)
    data = data_folder(root)
    if data is None:
        say("no optional data folder (PALO_DATA): the tower is the nano one")
        return config
    tower = data / "vision" / "dinov2-small-f16"
    return replace(config, tower=tower, image_size=settings.image_size)


def _of_job(outcome: BuildOutcome, count: int, *, only_encoders: bool) -> Speed:
    """Returns the speed of the step that encodes, its workers' start included."""
    last = max(n for n, (_, line) in enumerate(outcome.lines) if line.startswith(_STEP))
    first = max((n for n in range(last) if not outcome.lines[n][1].startswith(_STEP)), default=0)
    seconds = float(outcome.lines[last][0]) - float(outcome.lines[first][0])
    cpu_s = outcome.encoder_cpu_s if only_encoders else outcome.cpu_s
    return Speed(rate=count / seconds, cpu_s=(cpu_s[last] - cpu_s[first]) / count)


def _write_images(folder: Path, count: int, root: Path) -> None:
    """Writes different cuts of photos, or noise where there are none."""
    data = data_folder(root)
    photos = [] if data is None else sorted((data / "captions" / "coco111" / "images").iterdir())
    for number in range(count):
        path = folder / image_path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if photos:
            image = Image.open(photos[number % len(photos)]).convert("RGB")
            cut = number // len(photos)
            image = image.crop((cut, cut, image.width, image.height))
        else:
            noise = np.random.default_rng(number).integers(0, 256, (96, 96, 3), dtype=np.uint8)
            image = Image.fromarray(noise)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=1)
        path.write_bytes(buffer.getvalue())


def _write_rows(path: Path, count: int, sentences: Sentences) -> None:
    rows = []
    for number in range(count):
        for code in languages.codes():
            texts = sentences.escaped[code]
            question, answer = (
                json.loads(f'"{texts[(number + step) % len(texts)]}"') for step in (0, 1)
            )
            turns = [
                {"from": "human", "value": f"<image>\n{question}"},
                {"from": "gpt", "value": answer},
            ]
            row = {"id": number, "image": image_path(number), "conversations": turns}
            rows.append(row | {"language": code})
    path.write_text(json.dumps(rows), encoding="ascii")


@dataclass(frozen=True, slots=True)
class _Share:
    """The images of one process of a bare loop."""

    config: CorpusConfig
    images: tuple[Path, ...]
    decodes: bool


def _run_bare(
    config: CorpusConfig, inputs: Inputs, count: int, processes: int, *, decodes: bool
) -> Speed:
    """Runs a bare loop, with or without decoding."""
    paths = [inputs.images / image_path(number) for number in range(count)]
    shares = [
        _Share(config, tuple(paths[number::processes]), decodes) for number in range(processes)
    ]
    done = run_together(_bare, shares)
    cpu_s = sum(one.result for one in done) / count
    return Speed(rate=count / max(one.seconds for one in done), cpu_s=cpu_s)


def _bare(share: _Share) -> Callable[[], float]:
    """Loads the tower, and images that are decoded already unless the loop decodes them."""
    import torch

    from palo.corpus.images_step.tower_encoder import load_tower, spec_of
    from palo.images.decode import decode_image, preprocess

    torch.set_num_threads(1)
    spec = spec_of(share.config)
    tower = load_tower(share.config.tower, spec)

    def batch(start: int) -> torch.Tensor:
        paths = share.images[start : start + _BATCH]
        pixels = [preprocess(decode_image(path.read_bytes()), spec.preprocessing) for path in paths]
        return torch.from_numpy(np.stack(pixels))

    starts = range(0, len(share.images), _BATCH)
    ready = {} if share.decodes else {start: batch(start) for start in starts}
    tower(batch(0)[:1])

    def work() -> float:
        """Makes and drops the features; returns the CPU seconds that it took."""
        began = time.process_time()
        for start in starts:
            tower(batch(start) if share.decodes else ready[start])
        return time.process_time() - began

    return work
