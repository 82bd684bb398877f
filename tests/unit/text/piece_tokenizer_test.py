import io

import pytest
import sentencepiece

from palo.errors import MismatchError
from palo.text.tokenizer import load_tokenizer


def test_roles_are_those_of_the_model(pieces):
    assert (pieces.bos_id, pieces.eos_id, pieces.pad_id) == (1, 2, 0)
    assert pieces.dummy_prefix


def test_ids_are_sentencepieces_own(pieces, sentences):
    model = sentencepiece.SentencePieceProcessor(model_file=str(pieces.files[0]))
    for text in [*sentences.values(), "a  b", " a", "</s>", "a \n b "]:
        assert list(pieces.encode(text)) == model.encode(text)
    assert model.id_to_piece(list(pieces.encode("a  b"))) == ["▁a", "▁", "▁b"]


def test_rare_characters_fall_back_to_bytes(pieces):
    ids = pieces.encode("鼎")
    assert len(ids) == 4
    assert b"".join(map(pieces.token_bytes, ids[1:])) == "鼎".encode()


def test_a_model_without_an_end_is_refused(tmp_path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a boat and a bridge"]),
        model_writer=model,
        vocab_size=20,
        hard_vocab_limit=False,
        eos_id=-1,
        minloglevel=2,
    )
    (tmp_path / "tokenizer.model").write_bytes(model.getvalue())
    with pytest.raises(MismatchError, match="no end token"):
        load_tokenizer(tmp_path)
