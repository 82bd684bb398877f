"""Reading source files row by row in bounded memory, in pieces that many tasks read at once."""

from palo.corpus.sources.read import SplitReader, read_split
from palo.corpus.sources.rows import Format, RawRow, Split, file_number_of, offset_of
from palo.corpus.sources.split import source_files, split_source
from palo.corpus.sources.split_boundary import SplitBoundary, misread

__all__ = [
    "Format",
    "RawRow",
    "Split",
    "SplitBoundary",
    "SplitReader",
    "file_number_of",
    "misread",
    "offset_of",
    "read_split",
    "source_files",
    "split_source",
]
