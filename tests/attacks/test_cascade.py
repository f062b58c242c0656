"""Cascading: what each round is trained on, what is anchored, and that it finds nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import observe
from scipy.stats import norm

from jaxattack.attacks.membership import LiRA, Threshold
from jaxattack.attacks.membership.cascade import Cascade, in_threshold, out_threshold
from jaxattack.data import Halves
from jaxattack.metrics import auc, roc_curve
from jaxattack.types import InputError, Observations

RECORDS = 600


def world(leak: float, coupling: float):
    """Answers that rise with a record's own membership and with that of the record after it, and how to train there."""
    hardness = np.random.default_rng(9).normal(size=RECORDS)
    label = np.zeros(RECORDS, int)
    asked = []

    def answers(member, seed):
        noise = np.random.default_rng([seed, 1]).normal(size=member.shape)
        phi = hardness + leak * member + coupling * np.roll(member, -1, axis=1) + noise
        return Observations(signals={"phi": phi.astype(np.float32)[:, :, None]}, member=member, label=label)

    def train(member, seed):
        asked.append(member)
        return answers(member, seed)

    target = answers(np.random.default_rng(3).random((1, RECORDS)) < 0.5, 77)
    return target, train, asked


def area(score, target) -> float:
    return auc(roc_curve(score, target.member[0]))


def test_rounds_agree_with_what_was_anchored_and_halve_what_was_not():
    target, train, asked = world(leak=3.0, coupling=0.0)
    found = Cascade(models=8, rounds=4)(target, train)
    assert found.models == 8 * len(asked) == 32
    assert len(found.outside)
    assert not {*found.inside} & {*found.outside}
    fixed = 0
    for member in asked:
        same = (member == member[:1]).all(axis=0)
        assert same.sum() >= fixed
        assert np.isin(np.flatnonzero(same), [*found.inside, *found.outside]).all()
        np.testing.assert_array_equal(member[::2][:, ~same], ~member[1::2][:, ~same])
        assert 0 <= same.sum() - fixed <= 0.05 * RECORDS
        fixed = same.sum()
    last = asked[-1]
    assert last[:, np.intersect1d(found.inside, np.flatnonzero((last == last[:1]).all(axis=0)))].all()
    truth = target.member[0]
    assert truth[found.outside].mean() < 0.1
    still = np.setdiff1d(np.arange(RECORDS), np.concatenate([found.inside, found.outside]))
    assert found.score[found.outside].max() < found.score[still].min()


def test_what_is_known_of_others_helps_where_answers_depend_on_them():
    target, train, _ = world(leak=2.5, coupling=2.5)
    once = Cascade(models=16, rounds=1)(target, train)
    often = Cascade(models=16, rounds=8, share=0.1)(target, train)
    assert area(often.score, target) > area(once.score, target)


def test_without_a_leak_it_finds_nothing():
    target, train, _ = world(leak=0.0, coupling=0.0)
    # Four standard errors of an area under the curve of 300 members and 300 others.
    assert area(Cascade(models=8, rounds=3)(target, train).score, target) == pytest.approx(0.5, abs=0.095)


def test_thresholds_by_hand():
    shadow = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 5.0, 0.0]])
    member = np.array([[True, False, True, True], [False, True, True, False]])
    assert out_threshold(shadow, member, 1) == np.mean([3.0, 5.0])  # one member of each is below
    assert out_threshold(shadow, member, 2) == -np.inf  # the second has but two
    assert in_threshold(shadow, member, 1) == np.mean([2.0, 2.0])
    assert in_threshold(shadow, member, 2) == 2.0  # the second has one record above its highest non-member
    assert in_threshold(shadow, member, 3) == np.inf


def test_the_targets_own_membership_is_not_read():
    target, train, _ = world(leak=2.0, coupling=0.0)
    other = Observations(signals=target.signals, member=~target.member, label=target.label)
    attack = Cascade(models=8, rounds=2)
    np.testing.assert_array_equal(attack(target, train).score, attack(other, train).score)


def test_shadows_are_attacked_by_one_another_alone(monkeypatch):
    """The target, whose members nobody knows, stood among their references as a model without any record."""
    target, train, _ = world(leak=2.0, coupling=0.0)
    surer = Observations(signals={"phi": target.signal("phi") + 9}, member=target.member, label=target.label)
    seen = []
    monkeypatch.setattr(
        Cascade, "surest", lambda _, own, shadow, __: (seen.append((own, shadow)), (own[:0].astype(int), False))[1]
    )
    for one in (target, surer):
        Cascade(models=8, rounds=2)(one, train)
    shadows = train(Halves()(8, RECORDS, 0), 0)
    alone = LiRA(online=True)(shadows)
    for _, shadow in seen:
        np.testing.assert_array_equal(shadow, alone)
    # The target has all of them for references: as many in as out.
    phi, inside = shadows.signal("phi")[:, :, 0].astype(float), shadows.member
    means = [np.where(side, phi, 0).sum(axis=0) / 4 for side in (inside, ~inside)]
    squares = [(np.where(side, phi - mean, 0) ** 2).sum() for side, mean in zip((inside, ~inside), means, strict=True)]
    fits = [norm(mean, np.sqrt(square / (3 * RECORDS))) for mean, square in zip(means, squares, strict=True)]
    own = target.signal("phi")[0, :, 0]
    np.testing.assert_allclose(seen[0][0], fits[0].logpdf(own) - fits[1].logpdf(own), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"models": 7}, "models is 7: give an even number"),
        ({"models": 4}, "models is 4"),
        ({"share": 0.0}, "share is 0.0"),
        ({"attack": Threshold(quantity="loss")}, "attack is loss, which has no references"),
    ],
)
def test_values_that_make_no_sense_are_refused(fields, said):
    with pytest.raises(InputError, match=said):
        Cascade(**fields)


def test_several_targets_and_other_records_are_refused():
    target, train, _ = world(leak=1.0, coupling=0.0)
    two = observe(np.ones((2, 4), bool), leak=0.0)
    with pytest.raises(InputError, match="target has 2 models"):
        Cascade()(two, train)
    elsewhere = Observations(signals=target.signals, member=target.member, label=target.label + 1)
    with pytest.raises(InputError, match="other records"):
        Cascade(models=8)(elsewhere, train)
