"""Trains with transformers' Trainer: `torchrun ... transformers_run.py RUN.json`."""

import sys
from pathlib import Path

# Started as a script, it finds its neighbours in the benches' folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from training.programs.other_run import (
    Padding,
    StepLog,
    build,
    read_run,
    read_samples,
    with_our_optimizer,
)
from transformers import Trainer, TrainingArguments


def main() -> None:
    """Trains as the file says."""
    run = read_run(sys.argv[1:])
    model = build(run)  # before the arguments, in whose presence it would be divided at once
    with_our_optimizer(Trainer, run)(
        model=model,
        args=TrainingArguments(**run.trainer_arguments()),
        train_dataset=read_samples(run),
        data_collator=Padding(run),
        callbacks=[StepLog(run.log)],
    ).train()


if __name__ == "__main__":
    main()
