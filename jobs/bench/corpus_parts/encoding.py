"""Images through the tower: the job against bare loops over the same tower, images and batches.

The bare loop that decodes too reads, decodes and encodes images one batch after the other, in one
process for each core. The bare tower gets images that are decoded already, in one process with one
thread; the job that it is compared with has one encoder, and its decoders the other cores.
"""

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from corpus_parts.builds import BuildOutcome, run_build
from corpus_parts.inputs import Inputs, scratch
from corpus_parts.rows import image_path
from corpus_parts.sentences import Sentences, data_folder
from corpus_parts.settings import CorpusBench
from corpus_parts.sizes import corpus_config
from corpus_parts.together import run_together
from PIL import Image
from resuming import say

from palo import languages
from palo.benchmark import Figure, spread
from palo.corpus.config import CorpusConfig
from palo.corpus.images_step.encoder_settings import EncoderSettings

_TARGET = 0.90
_BATCH = 16
_STEP = "images: "


def measure_encoding(settings: CorpusBench, sentences: Sentences, root: Path) -> list[Figure]:
    """Builds corpora whose every image is in all languages, and runs the bare loops in turn."""
    count = settings.scaled(settings.encoded_images, 2 * _BATCH)
    whole, tower, encodes = _Sides(), _Sides(), []
    with scratch(settings, "encoded") as folder:
        inputs = Inputs(folder / "rows.json", folder / "images")
        _write_images(inputs.images, count, root)
        _write_rows(inputs.rows, count, sentences)
        config = _config(settings, inputs, folder, root)
        for number in range(settings.repeats):
            say(f"{count} images, round {number + 1}")
            for encoders, sides in ((settings.cores, whole), (1, tower)):
                own = replace(
                    config,
                    output=folder / f"corpus-{number}-{encoders}",
                    encoders=EncoderSettings(count=encoders, batch=_BATCH),
                )
                outcome = run_build(own, settings.cores, folder)
                encodes.append(outcome.num_encoded / count)
                bare = _run_bare(own, inputs, count, encoders, decodes=sides is whole)
                sides.add(_of_job(outcome, count, only_encoders=sides is tower), bare)
    return [
        spread("encode_ratio", whole.rate_ratios, "1", target=_TARGET, better="higher"),
        spread("encode_cpu_ratio", whole.cpu_ratios, "1", target=_TARGET, better="higher"),
        spread("encode_tower_ratio", tower.rate_ratios, "1", target=_TARGET, better="higher"),
        spread("encode_tower_cpu_ratio", tower.cpu_ratios, "1", target=_TARGET, better="higher"),
        spread("encode_job_images_per_s", [one.rate for one in whole.job], "images/s"),
        spread("encode_bare_images_per_s", [one.rate for one in whole.bare], "images/s"),
        spread("encode_job_cpu_s_per_image", [one.cpu_s for one in whole.job], "s"),
        spread("encode_bare_cpu_s_per_image", [one.cpu_s for one in whole.bare], "s"),
        spread("encode_bare_tower_images_per_s", [one.rate for one in tower.bare], "images/s"),
        spread("encodes_per_image", encodes, "1", target=1.0, better="lower"),
    ]


@dataclass(frozen=True, slots=True)
class _Speed:
    """How fast images were encoded.

    Attributes:
        rate: Images per second.
        cpu_s: CPU seconds of an image.
    """

    rate: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class _Sides:
    """The speeds of the job and of what it is compared with, by round."""

    job: list[_Speed] = field(default_factory=list)
    bare: list[_Speed] = field(default_factory=list)

    def add(self, job: _Speed, bare: _Speed) -> None:
        self.job.append(job)
        self.bare.append(bare)

    @property
    def rate_ratios(self) -> list[float]:
        return [one.rate / other.rate for one, other in zip(self.job, self.bare, strict=True)]

    @property
    def cpu_ratios(self) -> list[float]:
        return [other.cpu_s / one.cpu_s for one, other in zip(self.job, self.bare, strict=True)]


def _config(settings: CorpusBench, inputs: Inputs, folder: Path, root: Path) -> CorpusConfig:
    config = replace(corpus_config(inputs, folder / "corpus", root), images_per_shard=_BATCH)
    data = data_folder(root)
    if data is None:
        say("no optional data folder (PALO_DATA): the tower is the nano one")
        return config
    tower = data / "vision" / "dinov2-small-f16"
    return replace(config, tower=tower, image_size=settings.image_size)


def _of_job(outcome: BuildOutcome, count: int, *, only_encoders: bool) -> _Speed:
    """Returns the speed of the step that encodes, its workers' start included."""
    last = max(n for n, (_, line) in enumerate(outcome.lines) if line.startswith(_STEP))
    first = max((n for n in range(last) if not outcome.lines[n][1].startswith(_STEP)), default=0)
    seconds = float(outcome.lines[last][0]) - float(outcome.lines[first][0])
    cpu_s = outcome.encoder_cpu_s if only_encoders else outcome.cpu_s
    return _Speed(rate=count / seconds, cpu_s=(cpu_s[last] - cpu_s[first]) / count)


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
) -> _Speed:
    """Runs a bare loop, with or without decoding."""
    paths = [inputs.images / image_path(number) for number in range(count)]
    shares = [
        _Share(config, tuple(paths[number::processes]), decodes) for number in range(processes)
    ]
    done = run_together(_bare, shares)
    cpu_s = sum(one.result for one in done) / count
    return _Speed(rate=count / max(one.seconds for one in done), cpu_s=cpu_s)


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
