"""Throwaway tokenizers, trained in a second on a few sentences in every language."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from palo.text.messages import Conversation, Turn
from palo.text.tokenizer import TextTokenizer, load_tokenizer

SENTENCES = {
    "en": "What do you see in the image? A small red boat lies beside the old stone bridge.",
    "zh": "图片里有什么？一只小红船停在旧石桥旁边。",
    "fr": "Que vois-tu sur l'image ? Un petit bateau rouge est près du vieux pont de pierre.",
    "es": "¿Qué ves en la imagen? Un pequeño barco rojo está junto al viejo puente de piedra.",
    "ru": "Что ты видишь на картинке? Маленькая красная лодка стоит у старого каменного моста.",
    "ja": "写真には何が見えますか？小さな赤い船が古い石の橋のそばにあります。",
    "ar": "ماذا ترى في الصورة؟ قارب أحمر صغير بجانب الجسر الحجري القديم.",
    "hi": "चित्र में क्या दिखता है? एक छोटी लाल नाव पुराने पत्थर के पुल के पास है।",
    "bn": "ছবিতে কী দেখা যায়? একটি ছোট লাল নৌকা পুরোনো পাথরের সেতুর পাশে আছে।",
    "ur": "تصویر میں کیا نظر آتا ہے؟ ایک چھوٹی سرخ کشتی پرانے پتھر کے پل کے پاس ہے۔",
}
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@pytest.fixture(scope="session")
def sentences() -> dict[str, str]:
    """Two sentences, a question and an answer, in every language."""
    return SENTENCES


@pytest.fixture(scope="session")
def piece_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SentencePiece model with LLaMA's settings; the rarer characters fall back to bytes."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*SENTENCES.values(), "USER: ASSISTANT: a a b b"] * 2),
        model_writer=model,
        model_type="bpe",
        vocab_size=700,
        hard_vocab_limit=False,
        character_coverage=0.98,
        byte_fallback=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        control_symbols=list(CONTROL[1:]),
        num_threads=1,
        minloglevel=2,
    )
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    return folder


@pytest.fixture(scope="session")
def json_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE tokenizer.json like GPT-2's and SmolLM2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES.values(), trainer)
    folder = tmp_path_factory.mktemp("json")
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {"bos_token": CONTROL[1], "eos_token": {"content": CONTROL[2]}, "pad_token": CONTROL[2]}
    (folder / "tokenizer_config.json").write_text(json.dumps(roles))
    return folder


@pytest.fixture(scope="session")
def pieces(piece_folder: Path) -> TextTokenizer:
    return load_tokenizer(piece_folder)


@pytest.fixture(scope="session")
def byte_pairs(json_folder: Path) -> TextTokenizer:
    return load_tokenizer(json_folder)


@pytest.fixture(scope="session", params=["pieces", "byte_pairs"])
def tokenizer(request: pytest.FixtureRequest) -> TextTokenizer:
    """Both kinds, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def talk() -> Callable[..., Conversation]:
    """Builds a conversation of texts in turn; images come with the first."""

    def build(*texts: str, num_images: int = 0, system: str | None = None) -> Conversation:
        turns = (
            Turn("assistant", text)
            if index % 2
            else Turn("user", text, num_images=0 if index else num_images)
            for index, text in enumerate(texts)
        )
        return Conversation(tuple(turns), system=system)

    return build
