"""What all contract classes share."""

from __future__ import annotations

import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest

from kgrec.errors import ConfigError


class Contract(ABC):
    """Base of the contract classes: a subclass says how the thing under test is made.

    Attributes:
        has_options: False where the thing under test is not built from options (a domain, a module).
    """

    has_options: ClassVar[bool] = True

    @abstractmethod
    def make(self) -> Any:
        """Return a new thing under test."""

    def test_unknown_option_is_an_error(self) -> None:
        """An option that the class does not know must not be swallowed."""
        if not self.has_options:
            return
        with pytest.raises((TypeError, ValueError, ConfigError)):
            type(self.make())(there_is_no_such_option=1)


@contextmanager
def untouched_random_state() -> Iterator[None]:
    """Fail when the block changes the global random state of ``random``, numpy or (if it is imported) torch."""
    python, numpy_before = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    torch = sys.modules.get("torch")
    torch_before = torch.get_rng_state().clone() if torch is not None else None
    yield
    assert random.getstate() == python, "the global state of random was changed: use a random.Random of your own"
    numpy_after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert str(numpy_after) == str(numpy_before), "the global state of numpy.random was changed: use default_rng(seed)"
    if torch is not None and torch_before is not None:
        same = bool(torch.equal(torch.get_rng_state(), torch_before))
        assert same, "the global state of torch was changed: use a torch.Generator"
