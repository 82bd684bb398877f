"""Packs with TRL, in its own environment: `python isolation_trl.py SEED`."""

import sys
from pathlib import Path

# Started as a script, it finds its neighbours in the benches' folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasets import Dataset
from training.programs.isolation_measure import samples, tell, tiny_model
from trl import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling


def main() -> None:
    """Packs without padding, and by TRL's two strategies of packing."""
    seed = int(sys.argv[1])
    alone = samples(seed)
    rows = [{"input_ids": ids, "labels": labels} for ids, labels in alone]
    room = sum(len(ids) for ids, _ in alone)
    free = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    padding = DataCollatorForLanguageModeling(pad_token_id=0)
    best_fit = [free([row]) for row in pack_dataset(Dataset.from_list(rows), room, "bfd")]
    wrapped = [padding([row]) for row in pack_dataset(Dataset.from_list(rows), room, "wrapped")]
    for attention in ("sdpa", "eager"):
        model = tiny_model(seed, attention)
        tell(f"trl_padding_free_{attention}", model, alone, [free(rows)])
        tell(f"trl_packing_bfd_{attention}", model, alone, best_fit)
    tell("trl_packing_wrapped", tiny_model(seed, "sdpa"), alone, wrapped)


if __name__ == "__main__":
    main()
