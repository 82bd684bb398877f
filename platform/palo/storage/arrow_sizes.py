"""How large the rows of Arrow arrays are, as values of Python or written out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_BYTES_PER_VALUE = 16


def row_bytes(batch: "pa.RecordBatch") -> "npt.NDArray[np.int64]":
    """Returns about how many bytes each row holds, texts that a dictionary names in full.

    Args:
        batch: Rows, at any depth of lists and structs.

    Returns:
        (rows,) texts and bytes by their lengths, and 16 for each value.
    """
    import numpy as np

    sizes = np.zeros(len(batch), np.int64)
    for column in batch.columns:
        sizes += _sizes(column)
    return sizes


def _sizes(array: "pa.Array") -> "npt.NDArray[np.int64]":
    import numpy as np
    import pyarrow as pa

    kind = array.type
    if isinstance(array, pa.DictionaryArray):
        inner = _sizes(array.dictionary)
        places = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return inner[places] if len(inner) else _plus(array, 0)
    if pa.types.is_struct(kind):
        sizes = _plus(array, 0)
        for field in array.flatten():
            sizes += _sizes(field)
        return sizes
    if pa.types.is_fixed_size_list(kind):
        inner = _sizes(array.flatten()) if array.null_count == 0 else _sizes(array.values)
        return _plus(array, np.resize(inner, (len(array), kind.list_size)).sum(axis=1))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        offsets = array.offsets.to_numpy(zero_copy_only=False)
        inner = _sizes(array.values)
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(inner)])
        return _plus(array, sums[offsets[1:]] - sums[offsets[:-1]])
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or _is_large(kind):
        import pyarrow.compute as pc

        lengths = pc.binary_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        return _plus(array, lengths.astype(np.int64))
    return _plus(array, 0)


def _is_large(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def _plus(array: "pa.Array", sizes: "npt.NDArray[np.int64] | int") -> "npt.NDArray[np.int64]":
    import numpy as np

    return np.full(len(array), _BYTES_PER_VALUE, np.int64) + sizes
