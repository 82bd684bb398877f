"""Tokenizing word by word, with the words that came before kept.

In a SentencePiece BPE model whose pieces never go on behind a space, what a word becomes doesn't
depend on its neighbours: a merge across a space would need a piece that has both sides. Words
repeat in every language that puts spaces between them, so that most cost a look-up.
"""

from collections.abc import Callable

from sentencepiece import sentencepiece_model_pb2

from palo.text.ids import Ids, ids_of_bytes

_SPACE = "\u2581"  # how SentencePiece writes a space
_MAX_WORDS = 100_000
# Chinese and Japanese hardly repeat what stands between two spaces.
_LONGEST_MEAN = 20

_BPE = 2
_USER_DEFINED = 4


def words_are_apart(model: bytes) -> bool:
    """Tells whether words can be tokenized one by one.

    Args:
        model: Content of a tokenizer.model.
    """
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model)
    normalizer = proto.normalizer_spec
    changes = normalizer.precompiled_charsmap or normalizer.remove_extra_whitespaces
    spaced = normalizer.add_dummy_prefix and normalizer.escape_whitespaces
    suffix = proto.trainer_spec.treat_whitespace_as_suffix
    return (
        proto.trainer_spec.model_type == _BPE
        and spaced
        and not (changes or suffix)
        and all(_stays_in_a_word(piece.piece) for piece in proto.pieces)
        and not any(piece.type == _USER_DEFINED for piece in proto.pieces)
    )


def _stays_in_a_word(piece: str) -> bool:
    return _SPACE not in piece[1:] or not piece.strip(_SPACE)


class WordCache:
    """Tokenizes texts by their words.

    Args:
        encode: Tokenizes any text.
    """

    def __init__(self, encode: Callable[[str], Ids]) -> None:
        self._encode = encode
        self._words = _Words(encode)

    def encode(self, text: str) -> Ids:
        """Returns the same ids as `encode` of the whole text."""
        words = text.split(" ")
        if len(text) > _LONGEST_MEAN * len(words) or "" in words or _SPACE in text:
            return self._encode(text)
        return ids_of_bytes(b"".join(map(self._words.__getitem__, words)))


class _Words(dict[str, bytes]):
    """What words become, as bytes: those of a whole text are joined without a look at any id."""

    def __init__(self, encode: Callable[[str], Ids]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, word: str) -> bytes:
        found = self._encode(word).tobytes()
        if len(self) < _MAX_WORDS:
            self[word] = found
        return found
