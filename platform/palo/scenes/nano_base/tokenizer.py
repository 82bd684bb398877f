"""Trains the nano tokenizer: SentencePiece BPE with LLaMA's settings and a small vocabulary."""

import io
from pathlib import Path

from sentencepiece import SentencePieceTrainer

from palo.scenes.nano_base.texts import BOUNDARY, tokenizer_sentences
from palo.storage import ensure_folder, wrap_os_errors

_NUM_SCENES = 1500
_SEED = 11


def train_tokenizer(folder: Path, vocab_size: int) -> None:
    """Trains a tokenizer on the phrase books and writes tokenizer.model.

    As in LLaMA, text is left as it is, a space goes before it, digits stand alone and what the
    vocabulary lacks falls back to bytes.

    Args:
        folder: Where to write.
        vocab_size: Number of pieces, 256 bytes and 3 control tokens included.
    """
    ensure_folder(folder)
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=tokenizer_sentences(_NUM_SCENES, _SEED),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        character_coverage=1.0,
        byte_fallback=True,
        pretokenization_delimiter=BOUNDARY,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    path = folder / "tokenizer.model"
    with wrap_os_errors("write", path):
        path.write_bytes(model.getvalue())
