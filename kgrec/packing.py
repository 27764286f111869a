"""Arrays in fewer bytes: positions as the smaller integers they fit in, weights with fewer digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]
Precision = Literal["float32", "float16", "int8"]

LEAST = 4096
"""Smaller arrays stay as they are: there is nothing to gain."""
BLOCK = 64
"""Numbers that share a scale in int8."""
MARK = "~"
"""Between the name of an array and what was done to it."""


def pack(name: str, array: NDArray[Any], precision: Precision) -> Arrays:
    """Return an array in fewer bytes, under names that :func:`unpack` reads.

    int64 becomes int32 where it fits: nothing is lost. float32 becomes float16, or int8 with a scale for each block of
    :data:`BLOCK` numbers, the largest of them (Dettmers et al., 8-bit Optimizers via Block-wise Quantization, ICLR
    2022, with even steps); arrays with numbers that have no such form stay.

    Args:
        name: of the array.
        array: any shape.
        precision: of float32.
    """
    same = {f"{name}{MARK}same" if MARK in name else name: array}
    if array.size < LEAST:
        return same
    if array.dtype == np.int64 and array.min() >= -(2**31) and array.max() < 2**31:
        return {f"{name}{MARK}int64": array.astype(np.int32)}
    if array.dtype != np.float32 or precision == "float32" or not np.abs(array).max() < np.finfo(np.float16).max:
        return same
    if precision == "float16":
        return {f"{name}{MARK}float32": array.astype(np.float16)}
    flat = np.zeros(-(-array.size // BLOCK) * BLOCK, dtype=np.float32)
    flat[: array.size] = array.ravel()
    blocks = flat.reshape(-1, BLOCK)
    scales = np.abs(blocks).max(axis=1) / 127
    steps = np.round(blocks / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    shape = np.array(array.shape, dtype=np.int64)
    return {f"{name}{MARK}int8": steps, f"{name}{MARK}scales": scales, f"{name}{MARK}shape": shape}


def unpack(packed: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the arrays that :func:`pack` made smaller, with the types they had.

    Raises:
        KeyError, ValueError: a part is missing or has another size.
    """
    found: Arrays = {}
    for key, array in packed.items():
        name, marked, kind = key.rpartition(MARK)
        if not marked or kind == "same":
            found[name if marked else key] = array
        elif kind in ("int64", "float32"):
            found[name] = array.astype(kind)
        elif kind == "int8":
            shape = tuple(int(n) for n in packed[f"{name}{MARK}shape"])
            scales = packed[f"{name}{MARK}scales"]
            if array.shape != (len(scales), BLOCK) or scales.ndim != 1:  # what does not fit would become the product
                raise ValueError(f"{name}: {array.shape} and {scales.shape} are no blocks and their scales")
            whole = array.astype(np.float32) * scales[:, None]
            found[name] = whole.ravel()[: int(np.prod(shape))].reshape(shape)
    return found
