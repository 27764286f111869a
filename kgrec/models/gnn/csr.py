"""Sparse matrices of torch, without the warning that they are new."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def csr_matrix(pointers: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the matrix whose row ``r`` has the entries ``pointers[r]`` to ``pointers[r + 1]``; nothing is checked."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(pointers, columns, values, shape, check_invariants=False)
