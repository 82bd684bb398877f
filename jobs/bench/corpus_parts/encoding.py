"""Images through the tower: the job against bare loops over the same tower, images and batches.

The bare loop that decodes too reads, decodes and encodes images one batch after the other, in one
process for each core. The bare tower gets images that are decoded already, in one process with one
thread; the job that it is compared with has one encoder, and its decoders the other cores.
"""

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
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
_DONE = re.compile(r"images: ([\d,]+)/")


def measure_encoding(settings: CorpusBench, sentences: Sentences, root: Path) -> list[Figure]:
    """Builds corpora whose every image is in all languages, and runs the bare loops in turn."""
    count = settings.scaled(settings.encoded_images, 2 * _BATCH)
    jobs, towers, encodes = _Sides([], []), _Sides([], []), []
    steady = _Sides([], [])
    with scratch(settings, "encoded") as folder:
        inputs = Inputs(folder / "rows.json", folder / "images")
        _write_images(inputs.images, count, root)
        _write_rows(inputs.rows, count, sentences)
        config = _config(settings, inputs, folder, root)
        for number in range(settings.repeats):
            say(f"{count} images, round {number + 1}")
            for encoders, sides in ((settings.cores, jobs), (1, towers)):
                own = replace(
                    config,
                    output=folder / f"corpus-{number}-{encoders}",
                    encoders=EncoderSettings(count=encoders, batch=_BATCH),
                )
                outcome = run_build(own, settings.cores, folder)
                encodes.append(outcome.num_encoded / count)
                bare = _bare_rate(own, inputs, count, encoders, decodes=sides is jobs)
                rate = _steady_rate(outcome)
                if sides is jobs:
                    jobs.add(count / _images_s(outcome), bare)
                    steady.add(rate, bare)
                else:
                    towers.add(rate, bare)
    return [
        spread("encode_ratio", jobs.ratios, "1", target=_TARGET, better="higher"),
        spread("encode_steady_ratio", steady.ratios, "1", target=_TARGET, better="higher"),
        spread("encode_tower_ratio", towers.ratios, "1", target=_TARGET, better="higher"),
        spread("encode_job_images_per_s", jobs.job, "images/s"),
        spread("encode_steady_images_per_s", steady.job, "images/s"),
        spread("encode_bare_images_per_s", jobs.bare, "images/s"),
        spread("encode_bare_tower_images_per_s", towers.bare, "images/s"),
        spread("encodes_per_image", encodes, "1", target=1.0, better="lower"),
    ]


@dataclass(frozen=True, slots=True)
class _Sides:
    """Images per second of the job and of what it is compared with, by round."""

    job: list[float]
    bare: list[float]

    def add(self, job: float, bare: float) -> None:
        self.job.append(job)
        self.bare.append(bare)

    @property
    def ratios(self) -> list[float]:
        return [one / other for one, other in zip(self.job, self.bare, strict=True)]


def _config(settings: CorpusBench, inputs: Inputs, folder: Path, root: Path) -> CorpusConfig:
    config = replace(corpus_config(inputs, folder / "corpus", root), images_per_shard=_BATCH)
    data = data_folder(root)
    if data is None:
        say("no optional data folder (PALO_DATA): the tower is the nano one")
        return config
    tower = data / "vision" / "dinov2-small-f16"
    return replace(config, tower=tower, image_size=settings.image_size)


def _images_s(outcome: BuildOutcome) -> float:
    """Returns the seconds of the step that encodes, its workers' start included."""
    times = [(float(second), line) for second, line in outcome.lines]
    last = max(second for second, line in times if line.startswith(_STEP))
    before = [second for second, line in times if second < last and not line.startswith(_STEP)]
    return last - max(before, default=0.0)


def _steady_rate(outcome: BuildOutcome) -> float:
    """Returns images per second between the first and the last line of the step.

    Raises:
        RuntimeError: If it said too little to tell.
    """
    found = [(float(second), _DONE.match(line)) for second, line in outcome.lines]
    done = [(second, int(match[1].replace(",", ""))) for second, match in found if match]
    if len(done) < 2:
        raise RuntimeError("too few images for a steady rate: raise encoded_images")
    (start, first), (end, last) = done[0], done[-1]
    return (last - first) / (end - start)


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


def _bare_rate(
    config: CorpusConfig, inputs: Inputs, count: int, processes: int, *, decodes: bool
) -> float:
    """Returns images per second of a bare loop, with or without decoding."""
    paths = [inputs.images / image_path(number) for number in range(count)]
    shares = [
        _Share(config, tuple(paths[number::processes]), decodes) for number in range(processes)
    ]
    return count / max(done.seconds for done in run_together(_bare, shares))


def _bare(share: _Share) -> Callable[[], int]:
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

    def work() -> int:
        # Features are made and dropped, as a loop that trains on them would.
        rows = (tower(batch(start) if share.decodes else ready[start]) for start in starts)
        return sum(len(features) for features in rows)

    return work
