"""A SentencePiece model that takes more pieces behind those that it has.

SentencePiece merges the pair with the best score. New pieces score below all old ones but those of
spaces alone, whose score of -1e9 in LLaMA's model puts them last on purpose.
"""

from collections.abc import Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2

from palo import storage
from palo.errors import MismatchError
from palo.text.piece_tokenizer import SentencePieceTokenizer, words_are_apart
from palo.text.vocabulary.learning import LearnedPiece, Pair, merge_all
from palo.text.vocabulary.runs import SPACE

_NORMAL, _BYTE = 1, 6
_LAST_SCORES = -1e8
_MOST_LETTERS = 16  # in a piece, as SentencePiece's own training has it


class ScoredMerges:
    """Merges of SentencePiece: neighbours merge if what they become is a piece.

    Args:
        scores: Score of each piece.
    """

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores = scores
        self._next = min((one for one in scores.values() if one > _LAST_SCORES), default=0.0) - 1

    def score(self, left: str, right: str) -> float | None:
        """See Merges.

        Args:
            left: A part of a word.
            right: The part behind it.
        """
        return self.scores.get(left + right)

    def add(self, piece: str, pairs: Sequence[Pair] = ()) -> None:
        """See Merges.

        Args:
            piece: The piece.
            pairs: Not needed: all neighbours that make it merge.
        """
        del pairs
        self.scores[piece] = self._next
        self._next -= 1


class PieceModel:
    """A SentencePiece model and the pieces that it gets.

    Args:
        tokenizer: The tokenizer as it is.

    Attributes:
        first_id: Id of the first new piece.
        merges: Old and new merges.

    Raises:
        MismatchError: If it isn't a BPE model that leaves text as it is, with byte fallback.
    """

    def __init__(self, tokenizer: SentencePieceTokenizer) -> None:
        path = tokenizer.files[0]
        content = storage.read_bytes(path)
        self._proto = sentencepiece_model_pb2.ModelProto()
        self._proto.ParseFromString(content)
        pieces = self._proto.pieces
        self._ids = {piece.piece: number for number, piece in enumerate(pieces)}
        self._bytes = [self._ids.get(f"<0x{byte:02X}>", -1) for byte in range(256)]
        if not words_are_apart(content) or min(self._bytes) < 0:
            raise MismatchError(
                "this tokenizer can't take new pieces with all its old ids kept",
                seen=f"{path} is no BPE model with byte fallback that leaves text as it is",
                fix="Use a model whose tokenizer is one, such as LLaMA's.",
            )
        scores = {piece.piece: piece.score for piece in pieces if piece.type == _NORMAL}
        self.first_id = len(pieces)
        self.merges = ScoredMerges(scores)
        self._old = ScoredMerges(dict(scores))

    def split(self, run: str) -> tuple[str, ...]:
        """Returns the parts of a run of letters, as old and new pieces make them.

        Args:
            run: The run, with the mark of a space before it where one is.
        """
        return tuple(merge_all(list(run), self.merges))

    def may_add(self, piece: str) -> bool:
        """Returns whether a part of runs may become a piece.

        Args:
            piece: Neighbouring parts, joined.
        """
        return len(piece.removeprefix(SPACE)) <= _MOST_LETTERS

    def add_character(self, character: str) -> LearnedPiece | None:
        """Makes a character a piece, unless it is one.

        Args:
            character: The character.
        """
        if character in self._ids or character in self.merges.scores:
            return None
        self.merges.add(character)
        return LearnedPiece(character, ())

    def old_ids(self, piece: LearnedPiece) -> list[int]:
        """Returns what a new piece was before: old pieces, and bytes.

        Args:
            piece: The new piece.
        """
        ids: list[int] = []
        for part in merge_all(list(piece.text), self._old):
            found = self._ids.get(part)
            ids += [self._bytes[byte] for byte in part.encode()] if found is None else [found]
        return ids

    def write(self, folder: Path, pieces: Sequence[LearnedPiece]) -> None:
        """Writes the model with new pieces.

        Args:
            folder: Where to write.
            pieces: The new pieces, in the order of their ids.

        Raises:
            StorageError: If it can't be written.
        """
        whole = sentencepiece_model_pb2.ModelProto()
        whole.CopyFrom(self._proto)
        for piece in pieces:
            score = self.merges.scores[piece.text]
            whole.pieces.add(piece=piece.text, score=score, type=_NORMAL)
        whole.trainer_spec.vocab_size = len(whole.pieces)
        content = whole.SerializeToString()
        SentencePieceProcessor(model_proto=content)  # refuses what it can't read
        storage.write_bytes(folder / "tokenizer.model", content)
