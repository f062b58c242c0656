"""A target's references: whom each design leaves out, and sums that are exact."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, exact, observe, reference_mask
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp
from scipy.stats import chisquare

from jaxattack.attacks.membership import ATTACKS, lookup
from jaxattack.attacks.membership.complements import complement_groups, draw_opposite
from jaxattack.attacks.membership.references import (
    PROTOCOLS,
    choose_references,
    choose_shadows,
    model_groups,
    on_grid,
    shared_references,
)
from jaxattack.types import InputError, Observations


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("design", DESIGNS)
def test_counts_and_sums_are_those_of_the_references_written_out(design, protocol):
    member = DESIGNS[design](10, 40, seed=1)
    values = np.random.default_rng(2).standard_normal((10, 40, 2))
    references = choose_references(member, np.array([7, 2]), protocol)
    sides = {"in": member, "out": ~member}
    totals, means = (
        references.totals(references.prepare(values.copy()), sides),
        references.log_means(values * 20, sides),
    )
    for name, side in sides.items():
        count, total, mean = references.count(side), totals[name], means[name]
        np.testing.assert_array_equal(total, references.total(references.prepare(values.copy()), side))
        for row, target in enumerate((7, 2)):
            there = side & reference_mask(member, target, protocol)
            np.testing.assert_array_equal(count[row], there.sum(axis=0))
            np.testing.assert_allclose(total[row], (values * there[:, :, None]).sum(axis=0), atol=1e-12)
            naive = logsumexp(values * 20, axis=0, b=there[:, :, None]) - np.log(there.sum(axis=0))[:, None]
            np.testing.assert_allclose(mean[row], naive, rtol=1e-7)


@pytest.mark.parametrize("size", [1e6, 1e12, 1e30])
def test_means_of_confidences_of_any_size_are_those_of_the_references(size):
    member = complementary(8, 30, seed=1)
    x = -size * np.random.default_rng(2).random((8, 30, 1))
    mean = choose_references(member, np.arange(8), PROTOCOLS[0]).log_means(x, {"in": member})["in"]
    for target in range(8):
        there = member & reference_mask(member, target, PROTOCOLS[0])
        naive = logsumexp(x, axis=0, b=there[:, :, None]) - np.log(there.sum(axis=0))[:, None]
        np.testing.assert_allclose(mean[target], naive, rtol=1e-7)


@pytest.mark.parametrize("design", ["halves", "exact"])
def test_a_record_has_as_many_references_a_side_whether_the_target_has_it_or_not(design):
    member = DESIGNS[design](12, 200, seed=0)
    references = choose_references(member, np.arange(12), "independent")
    assert (references.count(member) == 5).all()
    assert (references.count(~member) == 5).all()


def test_a_target_and_its_complement_share_their_references_and_others_none():
    member = complementary(8, 60, seed=1)[[0, 2, 1, 3, 4, 5, 6, 7]]
    references = choose_references(member, np.array([0, 5, 1, 2, 4, 3]), "independent")
    once, twins = shared_references(references)
    assert sorted(sorted(references.targets[row].tolist()) for row in twins) == [[0, 2], [1, 3], [4, 5]]
    for side in (member, ~member):
        for count, row in zip(once.count(side), twins, strict=True):
            np.testing.assert_array_equal(references.count(side)[row], [count, count])
    for alone in (
        choose_references(member, np.array([0, 2, 4]), "independent"),  # sets of two sizes
        choose_references(member, np.arange(8), "leave-one-out"),
        choose_references(exact(8, 60, seed=0), np.arange(8), "independent"),  # which leave out others at each record
    ):
        assert shared_references(alone)[1].tolist() == [[row] for row in range(len(alone.targets))]


def test_models_of_the_same_members_and_of_all_others_are_left_out_wherever_they_stand():
    half = np.random.default_rng(0).random((3, 60)) < 0.5
    member = np.concatenate([half, ~half[::-1], half[:1]])  # 0 1 2, then the complements of 2 1 0, then 0 again
    member[:, 5], member[:, 6] = True, False  # in every model, and in none
    group, side = complement_groups(member)
    assert group.tolist() == [0, 1, 2, 2, 1, 0, 0]
    assert side[0] == side[6] == -side[5]
    references = choose_references(member, np.array([0, 1]), "independent")
    left_out = [{int(models[row, 0]) for models in references.left_out} - {-1} for row in (0, 1)]
    assert left_out == [{5, 6}, {4}]


def test_one_pair_of_halves_trained_on_again_is_grouped_pair_by_pair():
    half = np.random.default_rng(0).random((1, 60)) < 0.5
    member = np.concatenate([half, half, ~half, half, ~half])
    assert complement_groups(member)[0].tolist() == [0, 1, 0, 2, 1]
    assert complement_groups(np.repeat(half, 3, axis=0))[0].tolist() == [0, 1, 2]
    references = choose_references(member[:, :], np.array([0, 4]), "independent")
    assert [int(models[0, 0]) for models in references.left_out] == [2]
    assert [int(models[1, 0]) for models in references.left_out] == [1]


def test_a_design_in_which_no_two_models_mirror_each_other_leaves_one_out():
    assert choose_references(DESIGNS["poisson"](12, 60, seed=1), np.arange(12), "independent").left_out == ()
    assert choose_references(complementary(12, 60, seed=1), np.arange(12), "leave-one-out").left_out == ()


def test_dropped_references_are_of_the_other_side_and_each_as_often_as_the_others():
    member = exact(8, 40_000, seed=0)
    nobody = [np.array([], int)] * 2
    (drawn,) = draw_opposite(member, np.array([3, 5]), nobody, [1, 1])
    columns = np.arange(40_000)
    for row, target in enumerate((3, 5)):
        assert (member[drawn[row], columns] != member[target]).all()
        assert chisquare(np.bincount(drawn[row], minlength=8)[np.arange(8) != target]).pvalue > 0.001
    assert (drawn[0] != drawn[1]).mean() > 0.5
    # The draw is by key: of one target alone it is the same.
    (alone,) = draw_opposite(member, np.array([5]), nobody[:1], [1])
    np.testing.assert_array_equal(alone[0], drawn[1])


def test_models_that_are_no_references_are_not_drawn_and_none_is_drawn_twice():
    member = exact(6, 3000, seed=1)
    first, second = draw_opposite(member, np.array([0]), [np.array([2, 3])], [2])
    assert not np.isin(first, [0, 2, 3]).any()
    there = (member[[1, 4, 5]] != member[0]).sum(axis=0)  # of the models that may be drawn, those of the other side
    assert (first[0] != second[0])[there >= 2].all()


@given(arrays(np.float64, (6, 3), elements=st.floats(-1e6, 1e6)), st.permutations(range(6)), st.integers(1, 6))
def test_sums_on_the_grid_are_the_same_in_any_order_and_after_taking_away(values, order, few):
    grid = on_grid(values.copy())
    assert (np.abs(grid - values) <= 2.0**-50 * np.abs(values).sum(axis=0)).all()
    kept = grid[list(order)][:few]
    total = grid.sum(axis=0)
    for row in grid[list(order)][few:]:
        total = total - row
    np.testing.assert_array_equal(total, kept.sum(axis=0))


def test_the_target_played_is_the_second_after_and_never_of_the_same_group():
    member = complementary(8, 60, seed=0)[[0, 2, 1, 3, 4, 5, 6, 7]]  # models 0 and 2 mirror each other
    group = model_groups(member, "independent")
    assert choose_shadows(group, np.arange(8)).tolist() == [3, 4, 4, 5, 6, 7, 0, 1]
    assert choose_shadows(model_groups(member, "leave-one-out"), np.array([0, 7])).tolist() == [2, 1]


def test_a_shadow_has_as_many_records_in_common_with_the_target_as_not_where_it_is_a_reference():
    member = exact(4, 40_000, seed=0)
    targets = np.arange(4)
    shadows = choose_shadows(model_groups(member, "independent"), targets)
    told = choose_references(member, targets, "independent").includes(shadows, 40_000)
    for row, shadow in enumerate(shadows):
        common = member[row, told[row]] == member[shadow, told[row]]
        assert common.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(common.size))
        assert (member[row] == member[shadow]).mean() == pytest.approx(1 / 3, abs=0.01)
    assert choose_references(member, targets, "leave-one-out").includes(shadows, 40_000).all()


NAMES = [name for name, attack in ATTACKS.items() if attack.references]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("design", ["halves", "exact"])
def test_answers_that_are_the_same_tie_to_the_bit(name, design):
    member = DESIGNS[design](8, 100, seed=2)
    observations = observe(member, leak=0.0, seed=3)
    same = {signal: np.repeat(values[:1], 8, axis=0) for signal, values in observations.signals.items()}
    scores = ATTACKS[name](Observations(signals=same, member=member, label=observations.label))
    if "classwise" not in name and "reference" not in name:  # which have thresholds, or one deviation, a target
        assert (scores == scores[:1]).all()
    constant = {signal: np.full_like(values, values[0, 0, 0]) for signal, values in observations.signals.items()}
    scores = ATTACKS[name](Observations(signals=constant, member=member, label=observations.label))
    assert all(len(set(row)) == 1 for row in scores)


@pytest.mark.parametrize("name", NAMES)
def test_a_protocol_is_set_by_name_and_changes_the_scores_of_halves(name):
    leave = lookup(f"{name}?protocol=leave-one-out")
    observations = observe(complementary(12, 80, seed=1), leak=1.0)
    assert not np.array_equal(leave(observations), ATTACKS[name](observations)) or (
        "classwise" in name  # the shadow is the second model after the target in both
    )
    with pytest.raises(InputError, match="protocol is 'none': choose from independent, leave-one-out"):
        lookup(f"{name}?protocol=none")


def test_an_attack_without_references_has_no_other_protocol():
    with pytest.raises(InputError, match="loss has no references"):
        lookup("loss?protocol=leave-one-out")
