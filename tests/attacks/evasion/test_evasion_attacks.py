"""Every evasion by name: it fools what can be fooled, owns up where it cannot, and counts; closed forms on linear victims."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.evasion.by_questions import BY_QUESTIONS
from attacks.evasion.linear_victims import CLASSES, FEATURES, INPUTS, SPAN, constant, leaky, records, victim

from jaxattack.attacks.evasion import (
    ATTACKS,
    BIM,
    FGSM,
    AutoAttack,
    CarliniWagner,
    DeepFool,
    HopSkipJump,
    LeastLikely,
    Transfer,
    lookup,
    worst,
)
from jaxattack.attacks.naming import label
from jaxattack.defences import Round
from jaxattack.oracle import budgeted, defended
from jaxattack.perturb.labels import labels_of
from jaxattack.types import EVERY_LEVEL, BudgetSpent, EvasionAttack, InputError, Inputs

QUICK = {
    "hopskipjump": HopSkipJump(queries=150),
    **{name: replace(lookup(name), steps=20) for name in ("apgd-ce", "apgd-dlr", "apgd-t")},
    "carlini-wagner": CarliniWagner(steps=200, rate=0.05),
    "autoattack": AutoAttack(steps=20, queries=20),
    **BY_QUESTIONS,
}
QUICK |= {f"transfer-{name}": Transfer(craft=attack) for name, attack in QUICK.items() if attack.white_box}
ATTACKS_HERE = {name: QUICK.get(name, attack) for name, attack in ATTACKS.items()}
EVERY = pytest.mark.parametrize("attack", ATTACKS_HERE.values(), ids=ATTACKS_HERE.keys())
COUNT = 8
"""Records that every attack is tried on: another number would be other programs."""


def run(attack, both, x, y, **options):
    return attack(both.box if attack.white_box else both.oracle, x, y, surrogate=both.box, **options)


def sight(attack):
    """The least that an attack must see."""
    return min(attack.levels, key=EVERY_LEVEL.index, default="label")


@EVERY
def test_each_fools_a_victim_that_can_be_fooled_and_counts_what_it_asks(attack):
    assert isinstance(attack, EvasionAttack)
    both = leaky(level=sight(attack))
    x, y = records(both, COUNT, wrong=3)
    evasion = run(attack, both, x, y)
    assert evasion.attack == attack.name
    assert evasion.complete, evasion.reason
    np.testing.assert_array_equal(evasion.right, both.label(x) == y)
    # Asked as the attack asks: an example on the boundary itself is one in the precision of one door, and not of the other.
    answered = labels_of(both.box, evasion.example) if attack.white_box else both.label(evasion.example)
    np.testing.assert_array_equal(evasion.success, answered != y)
    assert evasion.among_right > 0.5
    assert evasion.among_all == pytest.approx((evasion.among_right * evasion.right.sum() + 3) / len(x))
    assert evasion.cost.queries == both.oracle.ledger.queries == evasion.questions.sum()
    assert (evasion.questions > 0).all() or attack.white_box
    assert (evasion.first <= evasion.questions).all()
    assert (evasion.gradients > 0) == (attack.white_box or attack.surrogate)
    assert (evasion.example >= INPUTS.low).all()
    assert (evasion.example <= INPUTS.high).all()
    np.testing.assert_array_equal(evasion.example[~evasion.right], x[~evasion.right])


@EVERY
def test_distances_are_those_of_the_examples_in_shares_of_the_range(attack):
    both = leaky(level=sight(attack))
    x, y = records(both, COUNT)
    evasion = run(attack, both, x, y)
    share = np.abs(evasion.example - x) / SPAN
    np.testing.assert_allclose(evasion.distance.l1, share.sum(axis=1))
    np.testing.assert_allclose(evasion.distance.l2, np.linalg.norm(share, axis=1))
    np.testing.assert_allclose(evasion.distance.linf, share.max(axis=1))
    np.testing.assert_array_equal(evasion.distance.l0, (share > 1e-6).sum(axis=1))


@EVERY
def test_each_owns_up_where_nothing_can_be_fooled(attack):
    both = constant(level=sight(attack))
    x, y = records(both, COUNT)
    evasion = run(attack, both, x, y)
    assert not evasion.success.any()
    assert not evasion.complete
    assert f"no example of the {COUNT} records that the victim labels right is labelled otherwise" in evasion.reason
    assert evasion.cost.queries == both.oracle.ledger.queries == evasion.questions.sum()


@EVERY
def test_a_victim_that_is_always_wrong_leaves_nothing_to_fool(attack):
    both = constant(level=sight(attack))
    x, y = records(both, COUNT)
    evasion = run(attack, both, x, y + 1)
    assert evasion.among_all == 1
    assert np.isnan(evasion.among_right)
    assert not evasion.complete
    assert f"none of the {COUNT} records right" in evasion.reason
    assert (evasion.distance.l2 == 0).all()


@EVERY
def test_the_same_seed_makes_the_same_examples(attack):
    x, y = records(leaky(), COUNT)
    first, second = (run(attack, leaky(level=sight(attack)), x, y, seed=2).example for _ in range(2))
    np.testing.assert_array_equal(first, second)


@EVERY
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((2, FEATURES + 1)), np.zeros(2, int), r"x has shape \(2, 7\): give records of shape \(6,\)"),
        (np.zeros((0, FEATURES)), np.zeros(0, int), "at least one"),
        (np.zeros((2, FEATURES)), np.zeros(3, int), "give one label a record"),
        (np.zeros((2, FEATURES)), np.zeros(2), "y has dtype float64"),
        (np.zeros((2, FEATURES)), np.array([0, CLASSES]), "y ranges from 0 to 4: the victim has classes 0 to 3"),
        (np.array([[np.nan] * FEATURES, [0.0] * FEATURES]), np.zeros(2, int), "1 of 2 records in x are NaN or outside"),
        (np.full((2, FEATURES), 7.0), np.zeros(2, int), "2 of 2 records in x are NaN or outside"),
    ],
)
def test_records_that_the_victim_does_not_take_are_refused(attack, x, y, message):
    both = leaky(level=sight(attack))
    with pytest.raises(InputError, match=message):
        run(attack, both, x, y)
    assert both.oracle.ledger.queries == 0


def test_categories_stay_as_they_are():
    both = leaky(inputs=replace(INPUTS, categories=np.array([0, 7, 0, 0, 0, 0])))
    x, _ = records(both, 20)
    x[:, 1] = np.arange(20) % 7
    evasion = HopSkipJump(queries=150)(both.oracle, x, both.label(x))
    np.testing.assert_array_equal(evasion.example[:, 1], x[:, 1])
    assert evasion.complete


def margins(both, x):
    """Per record: the label, and for each class how far its boundary is, as a share of the range: 2-norm and max norm."""
    z = x @ both.weight + both.bias
    own = z.argmax(axis=1)
    away = both.weight[:, own].T[:, :, None] - both.weight[None]
    gap = z.max(axis=1, keepdims=True) - z
    with np.errstate(invalid="ignore", divide="ignore"):
        two, largest = gap / np.linalg.norm(away, axis=1), gap / np.abs(away).sum(axis=1)
    return np.nanmin(two, axis=1) / SPAN, np.nanmin(largest, axis=1) / SPAN


@pytest.mark.parametrize(
    "attack",
    [
        lookup("pgd?size=0.2"),
        Transfer(craft=lookup("pgd?size=0.2")),
        DeepFool(),
        worst(lookup("pgd?size=0.2"), DeepFool()),
    ],
    ids=lambda one: one.name,
)
def test_examples_are_whole_where_the_victim_reads_whole_numbers_and_are_judged_and_measured_so(attack):
    # Examples were fractions, which no such victim reads, some of them nearer than one step of any feature.
    both = leaky(inputs=replace(INPUTS, whole=True))
    x = np.random.default_rng(1).integers(1, 4, (COUNT, FEATURES)).astype(float)
    y = both.label(x)
    evasion = run(attack, both, x, y)
    np.testing.assert_array_equal(evasion.example, np.rint(evasion.example))
    np.testing.assert_array_equal(evasion.success, both.label(evasion.example) != y)
    np.testing.assert_allclose(evasion.distance.linf, np.abs(evasion.example - x).max(axis=1) / SPAN)
    assert evasion.success.any()
    if "pgd" in attack.name:
        assert evasion.distance.linf.max() == 0.125  # a step of .2 SPAN = 1.6 holds one whole number
    with pytest.raises(InputError, match="x has fractions and the victim reads whole numbers"):
        run(attack, both, x + 0.25, y)


def test_deepfool_goes_to_the_nearest_boundary_of_a_linear_victim_in_one_step():
    both = leaky()
    x, y = records(both)
    evasion = DeepFool(steps=1, overshoot=1e-3)(both.box, x, y)
    assert evasion.success.all()
    np.testing.assert_allclose(evasion.distance.l2 / 1.001, margins(both, x)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("attack", [FGSM(size=0.06), BIM(size=0.06), BIM(size=0.06, steps=40), LeastLikely(size=0.06)])
def test_signs_fool_a_linear_victim_of_two_classes_exactly_where_the_max_norm_says(attack):
    both = victim(np.random.default_rng(3).standard_normal((FEATURES, 2)), np.zeros(2))
    x = np.random.default_rng(4).uniform(-0.2, 4.2, (200, FEATURES))
    y, needed = both.label(x), margins(both, x)[1]
    evasion = attack(both.box, x, y)
    np.testing.assert_array_equal(evasion.success, needed < 0.06)
    assert 0.2 < evasion.among_right < 0.95
    np.testing.assert_allclose(evasion.distance.linf, 0.06, rtol=1e-5)
    smallest = replace(attack, sizes=50)(both.box, x, y)
    expected = 0.06 * np.ceil(needed / 0.06 * 50) / 50
    np.testing.assert_allclose(smallest.distance.linf, np.minimum(expected, 0.06), atol=1e-6)


@pytest.mark.parametrize(("queries", "error"), [(1000, 0.09)])
def test_hopskipjump_is_as_near_the_boundary_as_measured(queries, error):
    features = 64
    rng = np.random.default_rng(0)
    inputs = Inputs.box(-100, 100, (features,))
    both = victim(np.column_stack([np.zeros(features), rng.standard_normal(features)]), np.zeros(2), inputs=inputs)
    x = rng.standard_normal((60, features))
    far = np.abs(x @ both.weight[:, 1]) / np.linalg.norm(both.weight[:, 1]) / 200
    evasion = HopSkipJump(queries=queries)(both.oracle, x, both.label(x))
    assert evasion.success.all()
    assert (evasion.questions <= queries).all()
    assert np.median(evasion.distance.l2 / far - 1) < 1.3 * error


def test_where_noise_does_not_lead_out_the_search_starts_at_a_record_of_another_label():
    # All but a corner is class 0: noise of the box's size does not find it.
    both = victim(np.column_stack([np.zeros(FEATURES), np.ones(FEATURES)]), np.array([0.0, -0.9 * 6 * FEATURES]))
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 3, (12, FEATURES))
    alone = HopSkipJump(queries=150)(both.oracle, x, both.label(x))
    assert not alone.success.all()
    beside = np.concatenate([x, np.full((1, FEATURES), 5.9)])
    helped = HopSkipJump(queries=150)(both.oracle, beside, both.label(beside))
    assert helped.success.all()
    np.testing.assert_array_equal(both.label(helped.example) != both.label(beside), helped.success)
    assert (helped.questions <= 150).all()


def test_a_budget_that_ends_leaves_the_best_until_then():
    both = leaky()
    x, y = records(both, 10)
    evasion = HopSkipJump(queries=300)(budgeted(both.oracle, 500), x, y)
    assert not evasion.complete
    assert "the budget ended before the search did: the budget of 500 queries" in evasion.reason
    assert evasion.cost.queries == both.oracle.ledger.queries == evasion.questions.sum() <= 500
    assert evasion.success.all()
    np.testing.assert_array_equal(both.label(evasion.example) != y, evasion.success)
    for attack in (HopSkipJump(), Transfer()):
        with pytest.raises(BudgetSpent):
            attack(budgeted(both.oracle, 9), x, y, surrogate=both.box)


def test_a_transfer_from_another_model_fools_less_and_says_how_alike_they_are():
    both, other = leaky(0), leaky(1)
    x, y = records(both, 200)
    own = Transfer(craft=FGSM(size=0.1))(both.oracle, x, y, surrogate=both.box)
    foreign = Transfer(craft=FGSM(size=0.1))(both.oracle, x, y, surrogate=other.box)
    assert own.notes["surrogate labels as the victim"] == 1
    assert foreign.notes["surrogate labels as the victim"] == (other.label(x) == y).mean()
    assert foreign.among_right < own.among_right
    with pytest.raises(InputError, match="give a surrogate"):
        Transfer()(both.oracle, x, y)
    with pytest.raises(InputError, match="the surrogate takes records of shape"):
        Transfer()(both.oracle, x, y, surrogate=victim(np.ones((FEATURES, 2)), np.zeros(2)).box)


def test_confidences_that_round_to_the_same_are_no_refusals():
    both = leaky(level="probability")
    x, y = records(both, 20)
    rounded = defended(both.oracle, Round(decimals=0))
    assert rounded(x).refusal.any()
    evasion = HopSkipJump(queries=150)(rounded, x, y)
    assert evasion.right.all()
    assert evasion.success.all()


def test_names_are_read_back():
    for attack in (BIM(steps=3), HopSkipJump(queries=99), Transfer(craft=BIM(size=0.3)), DeepFool(overshoot=0.1)):
        assert lookup(label(attack, ATTACKS)) == attack
    with pytest.raises(InputError, match="there is no evasion attack 'deepfol'"):
        lookup("deepfol")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FGSM(size=0.0), "size is 0.0"),
        (lambda: BIM(size=1.5), "size is 1.5"),
        (lambda: BIM(steps=0), "steps is 0"),
        (lambda: FGSM(sizes=0), "sizes is 0"),
        (lambda: DeepFool(steps=0), "steps is 0"),
        (lambda: DeepFool(overshoot=0.0), "overshoot is 0.0"),
        (lambda: HopSkipJump(queries=0), "queries is 0"),
        (
            lambda: HopSkipJump(queries=20)(leaky().oracle, *records(leaky(), 2)),
            "queries is 20: HopSkipJump needs at least",
        ),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
