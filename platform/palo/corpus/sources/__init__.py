"""Reads source files row by row in bounded memory, in splits that tasks read in parallel.

Size limits are read from the module `rows` at each use, so that tests can lower them.
"""

from palo.corpus.sources.json_array import SplitBoundary, misread
from palo.corpus.sources.rows import Format, RawRow, Split, file_number_of, offset_of
from palo.corpus.sources.splits import SplitReader, read_split, source_files, split_source

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
