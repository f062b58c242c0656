"""What grows a tree: line searches that reuse thresholds, boxes that answer, and guesses that agree with what was asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.extraction.trees.cuts import CutSearch
from jaxattack.attacks.extraction.trees.growth import Node, mixture
from jaxattack.attacks.extraction.trees.identity import Identities
from jaxattack.attacks.extraction.trees.induction import induce
from jaxattack.attacks.extraction.trees.region import Cut, Region
from jaxattack.attacks.extraction.trees.threshold import LineSearch
from jaxattack.attacks.extraction.trees.transcript import Transcript
from jaxattack.oracle import from_function
from jaxattack.types import Access, Inputs


def _search(features=2):
    return LineSearch(np.full(features, 1e-8), lambda: 0.0)


def test_a_threshold_found_elsewhere_on_the_feature_is_tried_first_and_one_that_misses_is_dropped():
    search = _search()
    search.record(0, 0.3, 0.3 + 1e-9)
    points, step = search.points(0, 0.1, 0.9, 1)
    np.testing.assert_array_equal(points, [0.3, 0.3 + 1e-9])
    assert len(search.points(1, 0.1, 0.9, 1)[0]) < 2 or search.points(1, 0.1, 0.9, 1)[0][0] != 0.3
    assert search.points(0, 0.4, 0.9, 1)[0][0] != 0.3
    for _ in range(3):
        search.learn(0, step, hit=False)
    assert search.points(0, 0.1, 0.9, 1)[0][0] != 0.3


def test_of_several_thresholds_the_one_nearest_to_the_middle_is_tried():
    search = _search()
    for place in (0.11, 0.47, 0.83):
        search.record(0, place, place + 1e-9)
    assert search.points(0, 0.0, 1.0, 1)[0][0] == 0.47
    assert search.points(0, 0.5, 1.0, 1)[0][0] == 0.83
    region = Region.of(Inputs.box(0, 0.6, (2,)))
    np.testing.assert_array_equal(search.between(region, 0)[::2], [0.11, 0.47])


@given(seed=st.integers(0, 1000))
def test_a_guess_agrees_with_every_row_that_was_asked(seed):
    rng = np.random.default_rng(seed)
    inputs = Inputs(low=np.zeros(3), high=np.array([1.0, 1.0, 3.0]), categories=np.array([0, 0, 4]))
    rows = np.column_stack([rng.random((40, 2)), rng.integers(0, 4, 40)])
    identity = ((rows[:, 0] > 0.4).astype(int) + (rows[:, 1] > 0.7)) * (rows[:, 2] != 2)
    root = Node(Region.of(inputs), 0)
    induce(root, Transcript(rows, identity), CutSearch(_search(3), rng))
    for leaf in root.leaves():
        inside = leaf.region.contains(rows)
        np.testing.assert_array_equal(identity[inside], leaf.identity)
    assert sum(leaf.region.contains(rows).sum() for leaf in root.leaves()) == 40


def test_a_guess_takes_a_threshold_that_was_found_between_the_rows():
    search = _search(1)
    search.record(0, 0.6, 0.6 + 1e-9)
    root = Node(Region.of(Inputs.box(0, 1, (1,))), 0)
    induce(root, Transcript(np.array([[0.1], [0.9]]), np.array([0, 1])), CutSearch(search, np.random.default_rng(0)))
    assert root.cut is not None
    assert root.cut.below == 0.6


def test_mixture_is_the_entropy_on_both_sides():
    asked = Transcript(np.arange(6.0)[:, None], np.array([0, 0, 1, 1, 1, 1]))
    cut = Cut(feature=0, context=np.zeros(1), below=3.0, above=4.0)
    assert mixture(asked, cut) == pytest.approx(4 * np.log(2))  # two of each on the left, pure on the right


@pytest.mark.parametrize(
    ("confidence", "shared"), [(1.0, True), (2 / 3, True), (0.875, True), (0.37254, False), (7 / 11, False)]
)
def test_shares_of_few_records_are_taken_to_be_shared(confidence, shared):
    access = Access(level="probability", classes=2, inputs=Inputs.box(0, 1, (2,)))
    identities = Identities(from_function(lambda x: np.tile([confidence, 1 - confidence], (len(x), 1)), access))
    number = identities(np.array([[0.1, 0.1], [0.9, 0.9]]))
    assert identities.ambiguous(number).all() == shared
    identities(np.array([[0.5, 0.5]]))
    assert identities.inferred == (0 if shared else 1)
    assert len(identities.complete.rows) == 3
