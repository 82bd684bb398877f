"""Images through the tower: the job against a bare loop over the same tower and batches."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
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
    """Builds a corpus whose every image is in all languages, and runs the bare loop in turn."""
    count = settings.scaled(settings.encoded_images, 2 * _BATCH)
    bare, job, encodes = [], [], []
    with scratch(settings, "encoded") as folder:
        inputs = Inputs(folder / "rows.json", folder / "images")
        _write_images(inputs.images, count, root)
        _write_rows(inputs.rows, count, sentences)
        config = _config(settings, inputs, folder, root)
        for number in range(settings.repeats):
            say(f"{count} images, round {number + 1}")
            outcome = run_build(
                replace(config, output=folder / f"corpus-{number}"), settings.cores, folder
            )
            job.append(count / _images_s(outcome))
            encodes.append(outcome.num_encoded / count)
            bare.append(_bare_rate(config, inputs, count, settings.cores))
    ratios = [one / other for one, other in zip(job, bare, strict=True)]
    return [
        spread("encode_ratio", ratios, "1", target=_TARGET, better="higher"),
        spread("encode_job_images_per_s", job, "images/s"),
        spread("encode_bare_images_per_s", bare, "images/s"),
        spread("encodes_per_image", encodes, "1", target=1.0, better="lower"),
    ]


def _config(settings: CorpusBench, inputs: Inputs, folder: Path, root: Path) -> CorpusConfig:
    config = replace(
        corpus_config(inputs, folder / "corpus", root),
        encoders=EncoderSettings(count=settings.cores),
        images_per_shard=_BATCH,
    )
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
    """The images of one process of the bare loop."""

    config: CorpusConfig
    images: tuple[Path, ...]


def _bare_rate(config: CorpusConfig, inputs: Inputs, count: int, cores: int) -> float:
    paths = [inputs.images / image_path(number) for number in range(count)]
    shares = [_Share(config, tuple(paths[number::cores])) for number in range(cores)]
    return count / max(done.seconds for done in run_together(_bare, shares))


def _bare(share: _Share) -> Callable[[], int]:
    """Loads the tower, and images that are decoded and normalised; the work is its calls."""
    import torch

    from palo.corpus.images_step.tower_encoder import load_tower, spec_of
    from palo.images.decode import decode_image, preprocess

    torch.set_num_threads(1)
    spec = spec_of(share.config)
    tower = load_tower(share.config.tower, spec)

    def batch(paths: tuple[Path, ...]) -> torch.Tensor:
        values: list[npt.NDArray[np.float32]] = [
            preprocess(decode_image(path.read_bytes()), spec.preprocessing) for path in paths
        ]
        return torch.from_numpy(np.stack(values))

    starts = range(0, len(share.images), _BATCH)
    batches = [batch(share.images[start : start + _BATCH]) for start in starts]
    tower(batches[0][:1])

    def work() -> int:
        return sum(len(tower(values)) for values in batches)

    return work
