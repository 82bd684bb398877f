"""Packs with our own loader and attention: `python isolation_palo.py SEED`."""

import sys
from pathlib import Path

# Started as a script, it finds its neighbours in the benches' folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from training.programs.isolation_measure import samples, tell, tiny_model

from palo.data.loader import Collator
from palo.data.samples import Sample
from palo.model.attention import NAME, packing_arguments


def main() -> None:
    """Packs all samples into one row."""
    seed = int(sys.argv[1])
    alone = samples(seed)
    row = Collator(None, 0).collate([_sample(str(n), *one) for n, one in enumerate(alone)])
    arguments = {
        "input_ids": row.input_ids,
        "position_ids": row.position_ids,
        **packing_arguments(row.cu_seq_lens, NAME, torch.device("cpu")),
    }
    tell("palo_packing", tiny_model(seed, NAME), alone, [arguments])


def _sample(name: str, ids: list[int], labels: list[int]) -> Sample:
    learned = [place for place, label in enumerate(labels) if label >= 0]
    return Sample(
        sample_id=name,
        record_id=name,
        language="en",
        source="bench",
        image_id=None,
        input_ids=np.asarray(ids, np.int32),
        label_spans=np.asarray([(learned[0], len(ids))], np.int32),
    )


if __name__ == "__main__":
    main()
