import io
import itertools
import json
import random

import pytest
import sentencepiece

from palo.text import piece_tokenizer
from palo.text.piece_tokenizer import WordCache, words_are_apart
from palo.text.tokenizer_parts import ids_of

MARKS = (
    "  ", " ", "\n", " \n", "\t", "\u2581", " \u2581", "\u00a0", "\u3000", "</s>", "<image>", "\0",
    "🚲", "e\u0301", "    def f():", "`a  b`", "\ufeff", "<0x0A>", "<unk>", "x" * 60, "12345",
)  # fmt: skip


def train(lines, **settings):
    model = io.BytesIO()
    values = {
        "model_type": "bpe",
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "byte_fallback": True,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=600,
        hard_vocab_limit=False,
        minloglevel=2,
        **(values | settings),
    )
    return model.getvalue()


def damaged(text, seed):
    generator = random.Random(seed)
    for _ in range(generator.randint(0, 4)):
        place = generator.randint(0, len(text))
        text = text[:place] + generator.choice(MARKS) + text[place:]
    return text


class Whole:
    """SentencePiece itself, on texts as a whole."""

    def __init__(self, model):
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    def encode(self, text):
        return ids_of(self.processor.encode(text))


@pytest.fixture
def whole(piece_folder):
    return Whole((piece_folder / "tokenizer.model").read_bytes())


def test_ids_are_those_of_the_whole_text(whole, piece_folder, sentences):
    assert words_are_apart((piece_folder / "tokenizer.model").read_bytes())
    cache = WordCache(whole.encode)
    for text, seed in itertools.product(sentences.values(), range(100)):
        case = damaged(text, seed)
        assert cache.encode(case) == whole.encode(case), repr(case)
    assert cache.encode("") == whole.encode("")


def test_what_was_returned_can_be_changed(whole):
    cache = WordCache(whole.encode)
    cache.encode("boat").append(7)
    assert cache.encode("boat") == whole.encode("boat")


def test_memory_is_bounded(whole, monkeypatch):
    monkeypatch.setattr(piece_tokenizer, "_MAX_WORDS", 3)
    cache = WordCache(whole.encode)
    for _ in range(2):
        assert cache.encode("one two three four five") == whole.encode("one two three four five")
    assert len(cache._words) == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"model_type": "unigram"},
        {"normalization_rule_name": "nmt_nfkc"},
        {"remove_extra_whitespaces": True},
        {"split_by_whitespace": False},
        {"treat_whitespace_as_suffix": True},
        {"add_dummy_prefix": False},
        {"user_defined_symbols": ["red boat"]},
    ],
)
def test_other_models_are_tokenized_as_a_whole(settings, sentences):
    lines = [*sentences.values(), "of the red boat of the red boat"] * 2
    assert words_are_apart(train(lines))
    assert not words_are_apart(train(lines, **settings))


@pytest.mark.data
def test_ids_of_newspaper_text_are_llamas_own(data_folder):
    folder = data_folder / "tokenizer" / "llama2-32k"
    model = (folder / "tokenizer.model").read_bytes()
    assert words_are_apart(model)
    whole = Whole(model)
    cache = WordCache(whole.encode)
    path = data_folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    texts = [text for row in rows for text in row.values() if isinstance(text, str)]
    for seed, text in enumerate(texts):
        assert cache.encode(text) == whole.encode(text)
        case = damaged(text, seed)
        assert cache.encode(case) == whole.encode(case), repr(case)
