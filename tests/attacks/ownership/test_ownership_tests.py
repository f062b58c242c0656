"""Every test of ownership by name: it knows a copy of a model that leaks, and takes no independent model for one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from attacks.ownership.owners import (
    CLASSES,
    INPUTS,
    MEMBERS,
    NETWORK,
    RECIPE,
    answering,
    box,
    independents,
    owner,
    part,
)

from jaxattack.attacks.naming import label
from jaxattack.attacks.ownership import (
    ATTACKS,
    BlindWalk,
    Conferrable,
    EntangledWatermark,
    IPGuard,
    MinGD,
    Rank,
    Watermark,
    lookup,
)
from jaxattack.oracle import budgeted, from_function
from jaxattack.perturb.labels import labels_of
from jaxattack.training import train_ensemble
from jaxattack.types import Access, BudgetSpent, Dataset, InputError, MarkingTest, Owner, OwnershipTest, Variables

FEW = {"training": 30, "records": 30, "exposure": 20}
QUICK = {
    "dataset-inference": MinGD(**FEW, steps=300, coordinates=12),
    "blind-walk": BlindWalk(**FEW, repeats=2, steps=20),
    "ipguard": IPGuard(points=30, margin=2.0, steps=300),
    "conferrable": Conferrable(points=30, steps=30),
    "watermark": Watermark(keys=20),
    "entangled-watermark": EntangledWatermark(keys=20, trigger=0.4),
}
TESTS = {name: QUICK.get(name, test) for name, test in ATTACKS.items()}
EVERY = pytest.mark.parametrize("test", TESTS.values(), ids=TESTS.keys())


def first(variables: Variables) -> Variables:
    return jax.tree.map(lambda leaf: leaf[0], variables)


@cache
def stolen() -> Variables:
    """Copies by labels: a thief's first, then those that the owner makes himself."""
    public = part(2, 6)
    copied = Dataset(x=public.x, y=labels_of(owner().victim, public.x), classes=CLASSES, name="copied")
    return train_ensemble(NETWORK, RECIPE, copied, np.ones((4, len(copied)), bool))[0].variables


@cache
def owning(test: OwnershipTest) -> Owner:
    """The owner, with copies of his own, and with a marked victim where a test wants one."""
    if test.surrogates:
        return replace(owner(), surrogates=jax.tree.map(lambda leaf: leaf[1:], stolen()))
    if isinstance(test, MarkingTest):
        marked = test.mark(owner().members)
        everyone = np.ones((1, len(marked)), bool)
        variables = train_ensemble(NETWORK, test.learner(RECIPE), marked, everyone)[0].variables
        return replace(owner(), victim=box(first(variables)))
    return owner()


@cache
def evidence(test: OwnershipTest):
    return test.prepare(owning(test))


def suspect(test: OwnershipTest, variables: Variables, budget: int | None = None):
    if test.white_box:
        return box(variables)
    oracle = answering(variables, level=test.levels[0])
    return oracle if budget is None else budgeted(oracle, budget)


@cache
def proofs(test: OwnershipTest):
    """Of the victim, and of the independent models."""
    everyone = [owning(test).victim.variables, *independents()]
    return [test(suspect(test, variables), evidence(test)) for variables in everyone]


@EVERY
def test_the_owners_model_itself_scores_above_every_independent_one(test):
    assert isinstance(test, OwnershipTest)
    own, *others = proofs(test)
    assert own.score > max(proof.score for proof in others)
    assert own.p_value is None or own.p_value < 0.05 + 1e-9


@EVERY
def test_independent_models_are_not_accused_more_often_than_chance_has_it(test):
    accused = [proof.p_value is not None and proof.p_value < 0.05 for proof in proofs(test)[1:]]
    # Of 12 at 5%, 4 or more have a probability of .002; but dataset inference asks all of them about the same records.
    assert sum(accused) <= 3


@EVERY
def test_a_proof_counts_what_it_asked_and_is_the_same_again(test):
    for door, proof in ((owning(test).victim.variables, proofs(test)[0]), (independents()[0], proofs(test)[1])):
        one = suspect(test, door)
        again = test(one, evidence(test))
        assert (again.score, again.p_value) == (proof.score, proof.p_value)
        assert test.white_box == (again.gradients > 0)
        assert again.cost.queries == (0 if test.white_box else one.ledger.queries)
        assert test.white_box or again.cost.queries > 0


@EVERY
def test_evidence_is_arrays_and_the_same_of_the_same_seed(test):
    prepared = evidence(test)
    assert prepared.test == test.name
    for name, array in prepared.arrays.items():
        assert isinstance(array, np.ndarray), name
        assert array.dtype != object, name
    again = test.prepare(owning(test))
    for name, array in prepared.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, err_msg=name)
    x = prepared.arrays["x"]
    assert (x >= INPUTS.low).all()
    assert (x <= INPUTS.high).all()


@pytest.mark.parametrize("test", [test for test in TESTS.values() if not test.white_box], ids=lambda test: test.name)
def test_what_the_budget_does_not_pay_for_is_told(test):
    with pytest.raises(BudgetSpent):
        test(suspect(test, independents()[0], budget=10), evidence(test))


OURS = [test for test in TESTS.values() if not isinstance(test, Rank)]


@pytest.mark.parametrize("test", OURS, ids=lambda test: test.name)
def test_evidence_of_another_test_is_refused(test):
    other = OURS[OURS.index(test) - 1]
    with pytest.raises(InputError, match=f"the evidence is of the test '{other.name}'"):
        test(suspect(test, independents()[0]), evidence(other))


@pytest.mark.parametrize("test", OURS, ids=lambda test: test.name)
def test_a_suspect_by_the_wrong_door_or_of_another_task_is_refused(test):
    prepared, variables = evidence(test), independents()[0]
    asked, opened = answering(variables, level="label"), box(variables)
    with pytest.raises(InputError, match=f"{test.name} (reads the weights of|asks) a suspect: give"):
        test(asked if test.white_box else opened, prepared)
    other = replace(opened, classes=CLASSES + 1)
    stranger = other if test.white_box else from_function(len, Access(level="label", classes=2, inputs=INPUTS))
    with pytest.raises(InputError, match="give a suspect of the same task"):
        test(stranger, prepared)


@pytest.mark.parametrize("test", [QUICK["dataset-inference"], QUICK["blind-walk"]], ids=lambda test: test.name)
def test_where_the_owners_model_has_no_gap_there_is_nothing_to_infer(test):
    # The model of somebody who was trained on neither of the two sets.
    blind = replace(owner(), victim=box(independents()[0]))
    prepared = test.prepare(blind)
    assert prepared.notes["p-value of the owner's model"] > 0.05
    assert evidence(test).notes["p-value of the owner's model"] < 0.05


def test_the_owner_takes_the_smallest_noise_that_ends_half_of_the_rays():
    test = QUICK["blind-walk"]
    scale = evidence(test).notes["scale"]
    assert float(evidence(replace(test, scale=scale)).arrays["scale"]) == scale
    shorter = replace(test, steps=5)
    assert evidence(shorter).notes["scale"] > scale


def test_a_thief_who_stole_by_labels_takes_the_fingerprint_along():
    test = QUICK["conferrable"]
    assert test(suspect(test, first(stolen())), evidence(test)).score > max(proof.score for proof in proofs(test)[1:])


def test_what_an_owner_lacks_is_told():
    with pytest.raises(InputError, match="conferrable needs copies of the model that its owner made himself"):
        Conferrable().prepare(owner())
    with pytest.raises(InputError, match="members has 7 records: dataset inference needs at least 8"):
        MinGD().prepare(replace(owner(), members=part(0, 1).take(slice(7))))
    with pytest.raises(InputError, match="margin is 1000000.0 and no point"):
        IPGuard(margin=1e6, points=5, steps=5).prepare(owner())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MinGD(training=3), "training is 3"),
        (lambda: MinGD(targets=0), "targets is 0"),
        (lambda: BlindWalk(exposure=1), "exposure is 1"),
        (lambda: BlindWalk(scale=0.0), "scale is 0.0"),
        (lambda: BlindWalk(repeats=0), "repeats is 0"),
        (lambda: IPGuard(margin=-1.0), "margin is -1.0"),
        (lambda: IPGuard(points=0), "points is 0"),
        (lambda: Conferrable(size=1.5), "size is 1.5"),
        (lambda: Watermark(keys=0), "keys is 0"),
        (lambda: EntangledWatermark(trigger=0.0), "trigger is 0.0"),
        (lambda: EntangledWatermark(weight=0.0), "weight is 0.0"),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_names_are_read_back():
    for test in (
        BlindWalk(records=23, repeats=1, steps=10),
        IPGuard(margin=1.0),
        Watermark(keys=MEMBERS),
        MinGD(steps=9),
    ):
        assert lookup(label(test, ATTACKS)) == test
