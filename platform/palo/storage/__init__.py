"""Files and folders: whole writes or none, and errors that say what to do.

A path is local or, as s3://bucket/key, on S3 or a store that speaks its protocol; `path_of` makes
one of a text. Every module goes through here for what it writes, and for Parquet files. Light:
pyarrow and boto3 are loaded where they are used.
"""

from palo.storage.copying import copy_file, keep_copy
from palo.storage.growing_lines import append_line, json_line, whole_lines
from palo.storage.known_hashes import known_hash
from palo.storage.line_file import LineFile
from palo.storage.parquet_footer import row_groups
from palo.storage.parquet_sizes import ColumnSize, column_sizes, row_bytes
from palo.storage.paths import follow, lies_within, path_of, relative_text, wrap_os_errors
from palo.storage.ranges import Ranges, open_mapped, open_ranges
from palo.storage.reading import (
    file_hash,
    file_sizes,
    open_regular,
    read_bytes,
    read_json,
    read_json_lines,
    read_range,
    read_regular,
    read_text,
    read_toml,
)
from palo.storage.s3_location import is_uri, names_a_store
from palo.storage.s3_path import S3Path
from palo.storage.staging import near_copy, scratch_folder, stage_folder
from palo.storage.tables import (
    leaves_of,
    open_parquet,
    read_table,
    reopen_parquet,
    texts_among,
    write_table,
)
from palo.storage.trees import copy_tree, send_tree, tree_sizes
from palo.storage.working_copies import working_copy
from palo.storage.writing import (
    alone_in,
    ensure_folder,
    remove,
    replacing,
    write_bytes,
    write_json,
    write_text,
)

__all__ = [
    "ColumnSize",
    "LineFile",
    "Ranges",
    "S3Path",
    "alone_in",
    "append_line",
    "column_sizes",
    "copy_file",
    "copy_tree",
    "ensure_folder",
    "file_hash",
    "file_sizes",
    "follow",
    "is_uri",
    "json_line",
    "keep_copy",
    "known_hash",
    "leaves_of",
    "lies_within",
    "names_a_store",
    "near_copy",
    "open_mapped",
    "open_parquet",
    "open_ranges",
    "open_regular",
    "path_of",
    "read_bytes",
    "read_json",
    "read_json_lines",
    "read_range",
    "read_regular",
    "read_table",
    "read_text",
    "read_toml",
    "relative_text",
    "remove",
    "reopen_parquet",
    "replacing",
    "row_bytes",
    "row_groups",
    "scratch_folder",
    "send_tree",
    "stage_folder",
    "texts_among",
    "tree_sizes",
    "whole_lines",
    "working_copy",
    "wrap_os_errors",
    "write_bytes",
    "write_json",
    "write_table",
    "write_text",
]
