"""A tokenizer that was written for other programs has our ids."""

import json
import random

import pytest
import sentencepiece
from tests.fixtures.finished import write_tokenizer
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing

from palo import languages
from palo.checkpoint.exporting.tokenizer_files import write_tokenizer_files
from palo.errors import MismatchError
from palo.recipes.nano import BASE
from palo.text.tokenizer import load_tokenizer

WORDS = [text for one in languages.every() for text in (one.caption_wish, one.native_name)]


def odd_texts():
    """Texts with spaces everywhere, of every script, and of signs that repeat."""
    rng = random.Random(0)
    for word in WORDS:
        yield from (word, f" {word}", f"{word}  ", word.replace(" ", "  "), f"\n{word}\t\n {word}")
    for count in range(70):
        yield from (" " * count, " " * count + "a", f"a{' ' * count}中", f"\n{' ' * count}\n")
    for signs in ("a ", "..- ", "ha ", "कख ।", "   ▁", "\n\t ", "\u3000\u00a0 é😀"):
        yield from ("".join(rng.choices(signs, k=rng.randint(1, 50))) for _ in range(100))


def different(tokenizer, folder):
    written = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [
        text
        for text in odd_texts()
        if written.encode(text, add_special_tokens=False).ids != list(tokenizer.encode(text))
    ]


def test_ids_of_the_nano_tokenizer_are_ours(tmp_path):
    tokenizer = load_tokenizer(BASE / "tokenizer")
    written = write_tokenizer_files(tokenizer, tmp_path, 1024)
    assert different(tokenizer, tmp_path) == []
    assert (written.image_id, written.pad_id, written.vocab_size) == (1792, 1793, 1794)


def test_ids_of_a_tokenizer_without_pieces_of_spaces_are_ours(tmp_path):
    write_tokenizer(tmp_path / "own")
    tokenizer = load_tokenizer(tmp_path / "own")
    write_tokenizer_files(tokenizer, tmp_path, 256)
    assert different(tokenizer, tmp_path) == []


@pytest.mark.data
def test_ids_of_llamas_tokenizer_are_ours(data_folder, tmp_path):
    tokenizer = load_tokenizer(data_folder / "tokenizer" / "llama2-32k")
    written = write_tokenizer_files(tokenizer, tmp_path, 2048)
    assert different(tokenizer, tmp_path) == []
    assert (written.image_id, written.pad_id) == (32000, 32001)  # as llava-hf has them


def write_json_tokenizer(folder):
    """A byte-level BPE with ChatML's control tokens that puts a first token before every text."""
    made = Tokenizer(BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(WORDS * 5, trainer)
    first = ("<|endoftext|>", 0)
    made.post_processor = TemplateProcessing(single="<|endoftext|> $A", special_tokens=[first])
    folder.mkdir(parents=True)
    made.save(str(folder / "tokenizer.json"))
    roles = {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(roles))


def test_a_tokenizer_json_keeps_its_ids_and_puts_nothing_before_a_text(tmp_path):
    write_json_tokenizer(tmp_path / "own")
    tokenizer = load_tokenizer(tmp_path / "own")
    write_tokenizer_files(tokenizer, tmp_path, 256)
    assert different(tokenizer, tmp_path) == []
    written = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert written.encode("one").ids == list(tokenizer.encode("one"))
    assert written.encode("<|im_end|><image>").ids == [tokenizer.eos_id, tokenizer.vocab_size]


def test_a_model_that_changes_texts_is_refused(tmp_path):
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS * 5),
        model_prefix=str(tmp_path / "tokenizer"),
        model_type="unigram",
        vocab_size=450,
        hard_vocab_limit=False,
        byte_fallback=True,
        minloglevel=2,
    )
    with pytest.raises(MismatchError, match=r"equal ids: .*tokenizer\.model is no BPE model"):
        write_tokenizer_files(load_tokenizer(tmp_path), tmp_path / "out", 256)
