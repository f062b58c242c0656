"""The checker of shapes checks: what it refuses, what it leaves to the function, and that the rooms are under it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from jaxtyping import Float, Int
from shapes import CHECKED, WrongShapeError, array_hints, check_fields, check_function

import jaxattack.metrics
from jaxattack.types import InputError

Rows = Float[np.ndarray, "record feature"]


@check_function
def of_rows(x: Rows, y: Int[np.ndarray, "record"]) -> Float[np.ndarray, "record"]:
    """The sum of each record, or of all where y says 9."""
    if not len(x):
        raise InputError("x has no records: give one.")
    return x.sum(keepdims=True) if y[0] == 9 else x.sum(axis=1)


@pytest.mark.parametrize(
    ("x", "y", "word"),
    [
        (np.ones((3, 2), int), np.zeros(3, int), "x is not"),  # of another kind
        (np.ones((3, 2)), np.zeros(4, int), "y is not"),  # the same axis with another length
        (np.ones((3, 2)), np.full(3, 9), "return is not"),
    ],
)
def test_arrays_that_are_not_what_annotations_say_are_refused(x, y, word):
    with pytest.raises(WrongShapeError, match=word):
        of_rows(x, y)


def test_what_a_function_refuses_it_refuses_first():
    np.testing.assert_array_equal(of_rows(np.ones((3, 2)), np.zeros(3, int)), [2, 2, 2])
    with pytest.raises(InputError, match="give one"):
        of_rows(np.ones((0, 2)), np.zeros(4, int))


def test_only_annotations_with_arrays_are_checked():
    def plain(x: int, call: Callable[[Rows], None], many: Mapping[str, Rows]) -> None: ...

    def without(x: int) -> str: ...

    assert check_function(without) is without
    assert [*array_hints(plain)] == ["many"]


@check_fields
@dataclasses.dataclass(frozen=True)
class Table:
    """Rows with a label each."""

    x: Rows
    y: Int[np.ndarray, "record"]

    def __post_init__(self) -> None:
        if len(self.y) > 9:
            raise InputError("y has more than 9 labels: give fewer.")


def test_a_dataclass_is_checked_when_it_has_been_made():
    assert len(Table(np.ones((3, 2)), np.zeros(3, int)).x) == 3
    with pytest.raises(WrongShapeError, match="Table: y is not"):
        Table(np.ones((3, 2)), np.zeros(4, int))
    with pytest.raises(InputError, match="give fewer"):
        Table(np.ones((3, 2)), np.zeros(10, int))


def test_the_rooms_are_under_it():
    with pytest.raises(WrongShapeError, match="require_numbers: ordered is not"):
        jaxattack.metrics.roc_curve(np.zeros(3, int), np.array([True, False, True]))
    for name, module in sys.modules.items():
        if name.startswith(tuple(f"{room}." for room in CHECKED)):
            assert type(module.__loader__).__name__ == "CheckingLoader", name
