"""Trains with TRL's SFTTrainer, in its own environment: `torchrun ... trl_run.py RUN.json`.

SFTTrainer packs and leaves padding out for texts alone, and refuses both for samples with images,
so batches are padded here.
"""

import sys
from pathlib import Path

# Started as a script, it finds its neighbours in the benches' folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from training.programs.other_run import (
    Padding,
    StepLog,
    build,
    read_run,
    read_samples,
    with_our_optimizer,
)
from transformers import PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer


def main() -> None:
    """Trains as the file says."""
    run = read_run(sys.argv[1:])
    model = build(run)  # before the arguments, in whose presence it would be divided at once
    config = SFTConfig(
        **run.trainer_arguments(),
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
    )
    with_our_optimizer(SFTTrainer, run)(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(read_samples(run)),
        data_collator=Padding(run),
        processing_class=_no_words(),
        callbacks=[StepLog(run.log)],
    ).train()


def _no_words() -> PreTrainedTokenizerFast:
    """Returns a tokenizer that SFTTrainer insists on; the samples are encoded already."""
    words = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1}))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words)
    tokenizer.add_special_tokens({"pad_token": "<pad>", "eos_token": "</s>"})
    return tokenizer


if __name__ == "__main__":
    main()
