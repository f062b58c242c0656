"""Every attack of the registry through the same checks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from attacks.planted import DESIGNS, complementary, observe

from jaxattack.attacks.membership import (
    ATTACKS,
    REGISTRY,
    RMIA,
    Gap,
    LiRA,
    Threshold,
    lookup,
    signals_of,
    under_protocol,
)
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.metrics import auc, roc_curve
from jaxattack.signals import Correct, Phi
from jaxattack.types import InputError, Observations


@cache
def planted(leak: float = 0.8, models: int = 32, records: int = 1000, queries: int = 3) -> Observations:
    return observe(complementary(models, records, seed=0), leak=leak, queries=queries, spread=0.5, seed=1)


# Every attack whose signals a sweep observes; others ask models. Those that train networks are tried on fewer models, in
# test_learned_attacks.
READABLE = {
    name: attack
    for name, attack in REGISTRY.items()
    if {signal.name for signal in attack.signals} <= {*planted(models=4, records=4).signals}
    and not hasattr(attack, "network")
}
names = pytest.mark.parametrize("name", list(READABLE))


def test_all_attacks_of_the_main_job_are_among_those_that_are_tried():
    assert {*ATTACKS} <= {*READABLE}


def replaced(observations: Observations, **parts) -> Observations:
    whole = {"signals": observations.signals, "member": observations.member, "label": observations.label}
    return Observations(**(whole | parts))


def area(scores: np.ndarray, member: np.ndarray) -> float:
    return auc(roc_curve(scores.ravel(), member.ravel()))


@names
def test_scores_are_finite_one_a_target_and_record(name):
    scores = READABLE[name](planted())
    assert scores.shape == planted().member.shape
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()


@names
def test_the_name_and_the_signals_are_those_of_the_registry(name):
    attack = READABLE[name]
    assert attack.name == name
    only = {signal.name: planted().signals[signal.name] for signal in attack.signals}
    np.testing.assert_array_equal(attack(replaced(planted(), signals=only), [1]), attack(planted(), [1]))


@names
def test_higher_means_member_where_membership_leaks(name):
    assert area(READABLE[name](planted()), planted().member) > 0.52


@names
def test_signals_without_membership_give_an_area_of_half(name):
    null = planted(leak=0.0, records=2000)
    assert area(READABLE[name](null), null.member) == pytest.approx(0.5, abs=0.012)


@names
def test_the_same_observations_give_the_same_scores(name):
    np.testing.assert_array_equal(READABLE[name](planted()), READABLE[name](planted()))


@names
def test_one_target_gives_exactly_its_row_of_all_targets(name):
    attack, every = READABLE[name], READABLE[name](planted())
    np.testing.assert_array_equal(attack(planted(), [3]), every[[3]])
    np.testing.assert_array_equal(attack(planted(), [17, 2]), every[[17, 2]])


@names
def test_a_targets_own_membership_is_not_read(name):
    attack, member = READABLE[name], planted().member.copy()
    member[3] = ~member[3]
    before, after = attack(planted(), [3]), attack(replaced(planted(), member=member), [3])
    # The published arithmetic sums its lists in another order then, to the last bits.
    np.testing.assert_allclose(after, before, rtol=1e-9 if "reference" in name else 0)


@names
def test_a_permutation_of_the_records_permutes_the_scores(name):
    attack, order = READABLE[name], np.random.default_rng(0).permutation(1000)
    turned = replaced(
        planted(),
        signals={signal: values[:, order] for signal, values in planted().signals.items()},
        member=planted().member[:, order],
        label=planted().label[order],
    )
    np.testing.assert_allclose(attack(turned), attack(planted())[:, order], rtol=1e-7, atol=1e-9)


@names
def test_nan_and_infinity_are_refused_with_a_sentence(name):
    attack = READABLE[name]
    for value in (np.nan, np.inf):
        signals = {signal.name: planted().signals[signal.name].copy() for signal in attack.signals}
        signals[attack.signals[0].name][5, 7, 0] = value
        with pytest.raises(InputError, match="NaN or infinite in 1 models, the first of them model 5"):
            attack(replaced(planted(), signals=signals))


@names
def test_two_models_are_refused_where_references_are_needed(name):
    attack, few = READABLE[name], planted().take(slice(2))
    if attack.references:
        with pytest.raises(InputError, match="2 models in all: observe at least 3"):
            attack(few)
    else:
        assert attack(few).shape == few.member.shape


# One pair of references has no spread, which these need.
SPREAD = (
    "lira-online", "lira-offline", "lira-online-bayes", "lira-online-bayes-normal",
    "base-1", "base-2", "base-3", "base-4", "pmia-global", "pmia-class", "pmia-instance",
)  # fmt: skip


@names
def test_four_models_are_enough_but_where_a_spread_is_needed(name):
    few = planted().take(slice(4))
    if name in SPREAD:
        with pytest.raises(TooFewReferences, match="fewer than 2 of some target's reference models"):
            READABLE[name](few)
        few = planted().take(slice(6))
    assert np.isfinite(READABLE[name](few)).all()


def test_signals_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"give the signal as \[model, record, query\]"):
        ATTACKS["loss"](replaced(planted(), signals={"phi": planted().signals["phi"][:, :, 0]}))


def test_lookup_finds_attacks_and_sets_their_fields():
    names = ("loss", "rmia-offline?a=tuned&gamma=1.5", "lira-online?variance=record", "rmia-online?counting=false")
    assert [lookup(name) for name in names] == [
        Threshold(quantity="loss"),
        RMIA(online=False, a="tuned", gamma=1.5),
        LiRA(online=True, variance="record"),
        RMIA(online=True, counting=False),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lyra-online", r"no membership attack 'lyra-online' \(did you mean 'lira-online'\?\)"),
        ("lira", r"no membership attack 'lira' \(did you mean 'lira-online'\?\)"),
        ("rmia-offline?b=1", "rmia-offline has no 'b': set one of a, "),
        ("rmia-offline?gamma=0", "gamma is 0: give a positive number"),
        ("rmia-offline?gamma=much", "gamma is 'much': give a number"),
    ],
)
def test_lookup_refuses_what_it_does_not_know(name, message):
    with pytest.raises(InputError, match=message):
        lookup(name)


def test_a_protocol_is_put_on_attacks_with_references():
    attacks = [lookup(name) for name in ("lira-online?variance=record", "loss", "loss-classwise")]
    assert [under_protocol(attack, "independent") for attack in attacks] == attacks
    assert [under_protocol(attack, "leave-one-out") for attack in attacks] == [
        LiRA(online=True, variance="record", protocol="leave-one-out"),
        Threshold(quantity="loss"),
        Threshold(quantity="loss", classwise=True, protocol="leave-one-out"),
    ]
    with pytest.raises(InputError, match="protocol is 'none'"):
        under_protocol(attacks[0], "none")


def test_signals_of_attacks_are_values_each_once_in_the_order_of_their_names():
    assert signals_of([LiRA(online=True), Threshold(quantity="loss"), Gap()]) == (Correct(), Phi())


@names
@pytest.mark.parametrize("models", [4, 8, 16])
@pytest.mark.parametrize("design", DESIGNS)
def test_a_target_that_leaks_nothing_is_not_found_out_by_references_that_leak(name, models, design):
    # Every reference memorises; only their numbers and members could tell the target's members.
    if (models == 4 and name in SPREAD) or (models < 16 and design == "poisson"):
        pytest.skip("too few references")
    member = DESIGNS[design](models, 4000, seed=3)
    leaky, silent = observe(member, leak=3.0, seed=4), observe(member, leak=0.0, seed=7)
    mixed = {signal: leaky.signals[signal].copy() for signal in leaky.signals}
    for signal, values in mixed.items():
        values[0] = silent.signals[signal][0]
    scores = READABLE[name](replaced(leaky, signals=mixed), [0])
    assert auc(roc_curve(scores[0], member[0])) == pytest.approx(0.5, abs=4 / np.sqrt(12 * 4000 / 2))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.linspace(0, 1, 1000), "label has dtype float64: .* not on regressions"),
        (np.zeros((1000, 3), int), r"label has shape \(1000, 3\) .*: give one label for each record"),
    ],
    ids=["regression", "multi-label"],
)
def test_labels_that_are_no_class_of_several_are_refused(label, message):
    with pytest.raises(InputError, match=message):
        replaced(planted(), label=label)
