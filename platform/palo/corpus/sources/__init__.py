"""Reading source files row by row in bounded memory, in pieces that many tasks read at once."""

from palo.corpus.sources.read import PieceReader, read_piece
from palo.corpus.sources.rows import Format, Piece, RawRow, file_number_of, offset_of
from palo.corpus.sources.split import source_files, split_source
from palo.corpus.sources.split_boundary import Handover, misread

__all__ = [
    "Format",
    "Handover",
    "Piece",
    "PieceReader",
    "RawRow",
    "file_number_of",
    "misread",
    "offset_of",
    "read_piece",
    "source_files",
    "split_source",
]
