"""Reading source files row by row in bounded memory, in pieces that many tasks read at once."""

from palo.data.sources.handover import Handover, misread
from palo.data.sources.pieces import Format, Piece, RawRow, file_number_of, offset_of
from palo.data.sources.read import PieceReader, read_piece
from palo.data.sources.split import source_files, split_source

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
