"""Tokenizing word by word, with the words that came before kept.

In a SentencePiece BPE model whose pieces never go on behind a space, what a word becomes doesn't
depend on its neighbours: a merge across a space would need a piece that has both sides. Words
repeat in every language that puts spaces between them, so that most cost a look-up.
"""

from collections.abc import Callable

from sentencepiece import sentencepiece_model_pb2

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

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        self._encode = encode
        self._ids: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Returns the same ids as `encode` of the whole text."""
        words = text.split(" ")
        if len(text) > _LONGEST_MEAN * len(words) or "" in words or _SPACE in text:
            return self._encode(text)
        known = self._ids
        ids: list[int] = []
        for word in words:
            found = known.get(word)
            if found is None:
                found = self._encode(word)
                if len(known) < _MAX_WORDS:
                    known[word] = found
            ids += found
        return ids
