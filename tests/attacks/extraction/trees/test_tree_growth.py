"""What grows a tree: line searches that reuse thresholds, boxes that answer, and guesses that agree with what was asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.extraction.trees.cuts import CutSearch
from jaxattack.attacks.extraction.trees.growth import Growth, Node, mixture
from jaxattack.attacks.extraction.trees.identity import Identities
from jaxattack.attacks.extraction.trees.induction import induce
from jaxattack.attacks.extraction.trees.rebuild import _best, _union
from jaxattack.attacks.extraction.trees.region import Cut, Region
from jaxattack.attacks.extraction.trees.transcript import Transcript
from jaxattack.attacks.search.lockstep import Task, run
from jaxattack.oracle import from_function
from jaxattack.types import Access, Inputs


def _search(features=2, rng=None, usage=0.0):
    return CutSearch(np.full(features, 1e-8), rng or np.random.default_rng(0), lambda: usage)


def _transcript(inputs, rows=(), identity=()):
    """What was asked in all of the input space, every feature given."""
    features = inputs.low.size
    return Transcript(
        Region.of(inputs), np.ones(features, bool), np.reshape(rows, (-1, features)), np.array(identity, int)
    )


def _asked_on_a_line(search, thresholds, feature=0):
    """The values asked by a line search for these thresholds on [0.1, 0.9], and the cuts."""
    transcript = _transcript(Inputs.box(0, 1, (2,)))
    line = search.line(transcript, np.zeros(2), feature, np.array([0.1, 0.9]))
    cuts = run(Task(line, lambda rows: np.searchsorted(thresholds, rows[:, feature])))
    return transcript.rows[2:, feature], cuts


@given(st.lists(st.floats(0.11, 0.89), min_size=1, max_size=6, unique=True))
def test_a_line_search_finds_every_threshold(values):
    thresholds = np.sort(values)
    _, cuts = _asked_on_a_line(_search(), thresholds)
    for threshold in thresholds:
        assert any(cut.below <= threshold <= cut.above <= cut.below + 1e-8 for cut in cuts)


def test_numbers_of_few_decimals_and_thresholds_found_before_are_tried_first():
    search = _search()
    asked, _ = _asked_on_a_line(search, [0.5])
    assert len(asked) < 8
    np.testing.assert_allclose(asked, 0.5, atol=1e-7)  # as far as float32 may round
    assert len(_asked_on_a_line(search, [0.5])[0]) == 2
    first, _ = _asked_on_a_line(search, [1 / 3], feature=1)
    assert len(first) > 20
    assert len(_asked_on_a_line(search, [1 / 3], feature=1)[0]) == 2


def test_of_several_thresholds_the_one_nearest_to_the_middle_is_tried():
    search = _search()
    for place in (0.11, 0.47, 0.83):
        search.record(0, place, place + 1e-9)
    assert _asked_on_a_line(search, [0.83 + 5e-10])[0][:4].tolist() == [0.47, 0.47 + 1e-9, 0.83, 0.83 + 1e-9]


def test_intervals_are_cut_into_more_parts_as_calls_run_short():
    for usage, parts in ((0.5, 2), (0.7, 4), (1.0, 7), (3.0, 8)):
        points, _ = _search(usage=usage)._points(0, 0.101, 0.104)
        np.testing.assert_allclose(points, np.linspace(0.101, 0.104, parts + 1)[1:-1])


@given(seed=st.integers(0, 1000))
def test_a_guess_agrees_with_every_row_that_was_asked(seed):
    rng = np.random.default_rng(seed)
    inputs = Inputs(low=np.zeros(3), high=np.array([1.0, 1.0, 3.0]), categories=np.array([0, 0, 4]))
    rows = np.column_stack([rng.random((40, 2)), rng.integers(0, 4, 40)])
    identity = ((rows[:, 0] > 0.4).astype(int) + (rows[:, 1] > 0.7)) * (rows[:, 2] != 2)
    root = Node(Region.of(inputs), 0)
    induce(root, _transcript(inputs, rows, identity), _search(3, rng))
    for leaf in root.leaves():
        inside = leaf.region.contains(rows)
        np.testing.assert_array_equal(identity[inside], leaf.identity)
    assert sum(leaf.region.contains(rows).sum() for leaf in root.leaves()) == 40


def test_a_guess_takes_a_threshold_that_was_found_between_the_rows():
    search = _search(1)
    search.record(0, 0.6, 0.6 + 1e-9)
    asked = _transcript(Inputs.box(0, 1, (1,)), [[0.1], [0.9]], [0, 1])
    root = Node(asked.region, 0)
    induce(root, asked, search)
    assert root.cut is not None
    assert root.cut.below == 0.6


@pytest.mark.parametrize("features", [3, 31, 60])
def test_pieces_that_leave_out_a_single_cell_are_not_joined_to_a_whole(features):
    # Piece k lies left of the cut on feature k and right of those before: all but the cell that is right of every cut.
    pieces = np.ones((features, features, 2), bool)
    for k in range(features):
        pieces[k, :k, 0], pieces[k, k, 1] = False, False
    last = np.zeros((1, features, 2), bool)
    last[..., 1] = True
    numeric = np.zeros(features, bool)
    assert len(_union(pieces, numeric)) == features
    np.testing.assert_array_equal(_union(np.concatenate([pieces, last]), numeric), np.ones((1, features, 2), bool))


def test_mixture_is_the_entropy_on_both_sides():
    asked = _transcript(Inputs.box(0, 5, (1,)), np.arange(6.0), [0, 0, 1, 1, 1, 1])
    cut = Cut(feature=0, context=np.zeros(1), below=3.0, above=4.0)
    assert mixture(asked, cut) == pytest.approx(4 * np.log(2))  # two of each on the left, pure on the right


@given(seed=st.integers(0, 1000))
def test_the_best_cut_of_boxes_is_that_of_trying_every_threshold_and_category(seed):
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(0, 6, (12, 2, 2)), axis=2)
    numeric = (np.arange(6) >= ends[:, :, :1]) & (np.arange(6) <= ends[:, :, 1:])
    single = np.eye(6, dtype=bool)[rng.integers(0, 3, (12, 1))]
    cells, costs = np.concatenate([numeric, single], axis=1), {}
    for feature in range(3):
        present = np.flatnonzero(cells[:, feature].any(axis=0))
        for place in present if feature == 2 else present[:-1]:
            side = np.arange(6) == place if feature == 2 else np.arange(6) <= place
            if len(present) > 1:
                left, right = ((cells[:, feature] & part).any(axis=1).sum() for part in (side, ~side))
                costs[feature, side.tobytes()] = (left + right, abs(left - right))
    feature, side = _best(cells, np.array([False, False, True]))
    assert (feature, side.tobytes()) == min(costs, key=costs.__getitem__)


@pytest.mark.parametrize("shared", [False, True])
def test_of_the_cuts_that_stand_the_first_is_taken_or_the_most_telling_where_identities_are_shared(shared):
    growth = Growth(cuts=_search(), ambiguous=lambda numbers: np.full(np.shape(numbers), shared))
    cuts = tuple(Cut(feature=feature, context=np.zeros(2), below=0.5, above=0.6) for feature in (0, 1))
    asked = _transcript(Inputs.box(0, 1, (2,)), [[0.1, 0.1], [0.9, 0.2], [0.3, 0.9], [0.8, 0.8]], [0, 0, 2, 2])
    search = growth._choose(asked, cuts, False)
    cut, _ = run(Task(search, lambda rows: (rows[:, 0] > 0.5) + 2 * (rows[:, 1] > 0.5)))
    assert cut is cuts[shared]


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
    assert len(identities.complete(Region.of(access.inputs)).rows) == 3
