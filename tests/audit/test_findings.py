"""Findings become values in one way: what JSON knows, with the keys that the dataclasses have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.audit.findings import optional, values
from jaxattack.audit.findings.epsilon import PreflightFindings


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: float
    place: int | None = None
    more: float | None = optional()


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner
    rows: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = field(default_factory=dict)
    array: np.ndarray | None = None


def test_nested_findings_become_nested_objects():
    found = Outer(inner=Inner(share=0.5), rows=(Inner(share=1.0, more=2.0),), by_name={"a": Inner(share=0.0, place=3)})
    assert values(found) == {
        "inner": {"share": 0.5, "place": None},
        "rows": [{"share": 1.0, "place": None, "more": 2.0}],
        "by_name": {"a": {"share": 0.0, "place": 3}},
        "array": None,
    }


def test_a_key_that_python_keeps_for_itself_has_an_underscore_in_the_dataclass_alone():
    preflight = PreflightFindings(**dict.fromkeys(("start", "out", "in_"), None), silent=0)
    assert values(preflight) == {"start": None, "out": None, "in": None, "silent": 0}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (float("nan"), None),
        (-np.inf, None),
        (np.float32("nan"), None),
        (np.float64(0.1), 0.1),
        (np.int8(3), 3),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), [[1.0, None], [None, 2.0]]),
        (np.array(2.5), 2.5),
        ((1, (2, "x")), [1, [2, "x"]]),
        ({1: None}, {"1": None}),
        (Inner, str(Inner)),
        (range(2), "range(0, 2)"),
    ],
)
def test_what_json_does_not_know_becomes_what_it_knows(value, plain):
    made = values(value)
    assert made == plain
    assert type(made) is type(plain)


LEAVES = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text()
TREES = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3), max_leaves=8
)


@given(TREES)
def test_values_are_json_and_become_themselves(tree):
    plain = values(tree)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert values(plain) == plain
