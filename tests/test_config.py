"""Configurations that check themselves: what each kind of field takes, by example and by a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from jaxattack.types import InputError, config


@config
class Walk:
    """A configuration with a field of each kind."""

    steps: int = 10
    rate: float = 0.5
    limit: float | None = None
    signed: bool = True
    name: str = "a"
    way: Literal["up", "down"] = "up"
    widths: tuple[int, ...] = (3,)
    hook: Callable[[int], Any] | None = None

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise InputError(f"rate is {self.rate}: give at least 0.")


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        ("steps", 1.5, "a whole number"),
        ("steps", 2.0, "a whole number"),
        ("steps", True, "a whole number"),
        ("steps", 2**32, "a whole number from -4294967295 to 4294967295"),
        ("steps", None, "a whole number"),
        ("rate", "fast", "a number"),
        ("rate", float("nan"), "a number"),
        ("rate", False, "a number"),
        ("rate", 10**400, "a number"),
        ("limit", "none", "a number or none"),
        ("signed", 1, "true or false"),
        ("name", 3, "a word"),
        ("way", "left", "one of up, down"),
        ("widths", 3, "a tuple, each a whole number"),
        ("widths", (1, 2.5), "a tuple, each a whole number"),
    ],
)
def test_another_type_is_refused_with_the_remedy(field, value, remedy):
    with pytest.raises(InputError) as refusal:
        Walk(**{field: value})
    assert str(refusal.value) == f"{field} is {value!r}: give {remedy}."


@pytest.mark.parametrize(
    ("field", "value", "plain"),
    [
        ("steps", np.int64(7), 7),
        ("rate", 1, 1),
        ("rate", 10**30, 1e30),
        ("rate", np.float32(0.25), 0.25),
        ("limit", 2, 2),
        ("limit", None, None),
        ("signed", np.bool_(False), False),
        ("widths", [1, np.int32(2)], (1, 2)),
        ("widths", (), ()),
        ("hook", len, len),
    ],
)
def test_what_fits_is_taken_as_plain_values(field, value, plain):
    got = getattr(Walk(**{field: value}), field)
    assert got == plain
    assert type(got) is type(plain)


def test_it_is_a_frozen_hashable_dataclass_and_ranges_see_checked_values():
    walk = Walk(rate=1)
    assert walk == dataclasses.replace(walk)
    assert hash(walk) == hash(Walk(rate=1.0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        walk.steps = 3
    with pytest.raises(InputError, match=r"rate is -1"):
        Walk(rate=-1)


def test_a_refusal_gives_the_example_of_a_field_and_stays_on_one_line():
    @config
    class Job:
        rows: int = dataclasses.field(default=1, metadata={"example": "8"})

    with pytest.raises(InputError, match=r"^rows is 1\.5: give a whole number, as 8\.$"):
        Job(rows=1.5)
    with pytest.raises(InputError, match=r"^rows is array\(\[\[0\., 0\.\.*.*\.\.\.: give a whole number, as 8\.$"):
        Job(rows=np.zeros((9, 2)))
