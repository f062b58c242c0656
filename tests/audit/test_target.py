"""One target beside references: scores that know nothing of its members, p-values that hold, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from jaxattack.attacks.membership import lookup
from jaxattack.attacks.membership.stacking import hidden_row
from jaxattack.audit import compare, read_observations, score
from jaxattack.audit.target import TargetTerms, score_target
from jaxattack.audit.target.judgement import judge
from jaxattack.report import headline
from jaxattack.types import InputError, Observations

RECORDS, SHIFT = 3000, 1.0
ATTACKS = tuple(map(lookup, ("loss", "lira-offline", "gap")))


def world(references=16, records=RECORDS, seed=0):
    """A target and references on halves, phi normal with unit variance and shifted by membership."""
    rng = np.random.default_rng(seed)
    halves = [rng.permuted(np.arange(records) % 2 == 0) for _ in range(references // 2)]
    member = np.stack([rng.random(records) < 0.5, *(side for half in halves for side in (half, ~half))])
    phi = rng.normal(size=member.shape) + SHIFT * member
    signals = {"phi": phi[..., None].astype(np.float32), "correct": (phi > 0)[..., None].astype(np.float32)}
    return Observations(signals=signals, member=member, label=rng.integers(0, 3, records))


@pytest.fixture(scope="module")
def observations():
    return world()


@pytest.fixture(scope="module")
def findings(observations):
    return score_target(observations, 0, ATTACKS)


def test_the_auc_of_shifted_normals_is_known(findings):
    loss = next(one.known for one in findings.attacks if one.name == "loss")
    low, high = loss.auc_interval
    assert low < norm.cdf(SHIFT / np.sqrt(2)) < high
    assert high - low < 0.05


def test_every_calibration_holds_its_rate_on_the_known_non_members(findings):
    assert [one.name for one in findings.calibrations] == ["non-members", "references", "record"]
    for one in findings.calibrations:
        for rate in (0.1, 0.01):
            deviation = np.sqrt(rate * (1 - rate) / findings.verdicts.non_members)
            assert abs(one.realised_fpr[str(rate)] - rate) < 4 * deviation, (one.name, rate)
    own = findings.calibration
    assert (own.name, own.scores, own.smallest) == (
        "non-members",
        findings.verdicts.non_members,
        1 / (findings.verdicts.non_members + 1),
    )


def test_verdicts_and_columns_agree(findings):
    verdicts, records = findings.verdicts, findings.records
    called = np.array(records.verdict) == "member"
    member = np.array(records.member)
    np.testing.assert_array_equal(called, np.array(records.p_value) <= 0.01)
    assert (verdicts.called, verdicts.right, verdicts.wrong) == (
        called.sum(),
        (called & (member == 1)).sum(),
        (called & (member == 0)).sum(),
    )
    assert verdicts.expected == pytest.approx(0.01 * verdicts.non_members)
    assert findings.choices == 3
    assert findings.attack == findings.attacks[0].name


def test_an_attack_learns_nothing_of_the_targets_members(observations):
    own, others = observations.take(slice(0, 1)), observations.take(slice(1, None))
    known = own.member[0].astype(np.int8)
    both = [
        judge(own, others, truth, ATTACKS, TargetTerms(calibration="references"))
        for truth in (known, 1 - known, np.full_like(known, -1))
    ]
    for other in both[1:]:
        np.testing.assert_array_equal(both[0].score, other.score)
        np.testing.assert_array_equal(both[0].p_value, other.p_value)
        assert other.attack == both[0].attack


def test_a_target_of_the_same_sweep_leaves_out_its_complement(observations):
    attack = lookup("lira-offline")
    found = score_target(observations, 3, (attack,))
    np.testing.assert_array_equal(found.records.score, attack(observations, [3])[0])


def test_a_complement_among_the_references_is_refused_as_far_as_members_are_known(observations):
    """One record that is not known must not let the target's twin answer against it."""
    pairs = world(8, RECORDS)
    member = pairs.member.copy()
    member[5] = ~member[0]
    twins = replace(pairs, member=member)
    known = member[0].astype(np.int8)
    known[7] = -1
    with pytest.raises(InputError, match="reference 4 was .* all others, as far as 2,999 records tell"):
        score_target(twins, 0, ATTACKS[:1], known=known)
    score_target(pairs, 0, ATTACKS[:1], known=known)
    # Records that no reference has, as those of a test set, are alike in target and references by themselves.
    outside = pairs.member & (np.arange(RECORDS) < RECORDS // 2)
    unseen = np.where(np.arange(RECORDS) < RECORDS // 2, -1, 0).astype(np.int8)
    score_target(replace(pairs, member=outside), 0, (lookup("loss"),), known=unseen)


def test_a_reference_that_has_few_known_members_by_luck_is_none_of_the_targets():
    """Of references with 19 records in 20, one in 22 has any sixty."""
    rng = np.random.default_rng(0)
    some = world(16, RECORDS)
    member = rng.random(some.member.shape) < 0.95
    known = np.full(RECORDS, -1, np.int8)
    known[np.flatnonzero(member[0] & member[1] & ~member.all(axis=0))[:60]] = 1
    score_target(replace(some, member=member), 0, (lookup("loss"),), known=known)


@pytest.mark.parametrize(
    "known", [np.ones(5, np.int8), np.full(RECORDS, 2), np.full(RECORDS, np.nan), np.full(RECORDS, "in"), [[1]]]
)
def test_what_says_nothing_of_the_targets_members_is_refused(observations, known):
    with pytest.raises(InputError, match="known has dtype .*: give 1 or 0 for each of the 3,000 records"):
        score_target(observations, 0, ATTACKS[:1], known=known)


def test_members_in_rows_of_several_lengths_are_refused(observations):
    with pytest.raises(InputError, match="known has rows of several lengths"):
        score_target(observations, 0, ATTACKS[:1], known=[[1], [1, 2]])


def test_a_target_of_unknown_members_is_scored_and_a_reference_of_such_is_refused_by_its_number():
    some, unknown = world(8, 300), np.zeros((2, 9, 300), bool)
    unknown[0, 0, :30] = unknown[1, 2, :30] = True
    target, reference = (replace(some, member=some.member & ~where, unknown=where) for where in unknown)
    known = np.where(unknown[0, 0], -1, some.member[0])
    assert score_target(target, 0, ATTACKS).attacks == score_target(some, 0, ATTACKS, known=known).attacks
    with pytest.raises(InputError, match="not known of 30 records whether model 2 was trained"):
        score_target(reference, 0, ATTACKS)


def test_a_comparison_refuses_models_whose_members_are_unknown():
    """Attacks without references took what is not known for a non-member."""
    some = world(8, 300)
    unknown = np.zeros_like(some.member)
    unknown[2, :30] = True
    partly = replace(some, member=some.member & ~unknown, unknown=unknown)
    with pytest.raises(InputError, match="model 2"):
        compare(partly, some, attacks=(lookup("attack-p"),))


def test_a_hidden_row_leaves_no_reference_out():
    member = np.array([[True, True, False, False], [False, False, True, True]] * 3)
    row = hidden_row(member)[0]
    assert not any(np.array_equal(row, one) for one in member)


def test_where_no_member_is_known_the_references_calibrate_and_nothing_is_judged(observations):
    found = score_target(observations, 0, ATTACKS, known=np.full(RECORDS, -1, np.int8))
    assert found.calibration.name == "references"
    assert {one.known for one in found.attacks} == {None}
    assert found.verdicts.expected == pytest.approx(0.01 * RECORDS)
    assert found.calibration.realised_fpr == {}
    # Half of the records are members: what is called beyond chance is of them.
    member = observations.member[0]
    called = np.array(found.records.verdict) == "member"
    assert abs(called[~member].mean() - 0.01) < 4 * np.sqrt(0.01 * 0.99 / (~member).sum())
    assert called[member].mean() > 0.04


def test_references_that_are_not_trained_alike_are_told(observations, findings):
    assert findings.references.alike
    assert not any("trained alike" in note for note in findings.notes)
    signals = {"phi": observations.signal("phi") + 3 * (np.arange(17) == 0)[:, None, None].astype(np.float32)}
    surer = replace(observations, signals=signals)
    unknown = score_target(surer, 0, ATTACKS[:2], known=np.full(RECORDS, -1, np.int8))
    assert unknown.references.alike is False
    assert any("these p-values do not hold" in note for note in unknown.notes)
    assert headline(unknown).endswith("not trained alike: these p-values do not hold.")
    # Known non-members hold all the same.
    known = score_target(surer, 0, ATTACKS[:2])
    assert abs(known.calibration.realised_fpr["0.01"] - 0.01) < 0.01
    assert known.calibrations[1].realised_fpr["0.01"] > 0.1
    assert headline(known).endswith("This holds for this one model.")
    # Too few of them say nothing, rather than what such references would.
    few = np.where(observations.member[0] | (np.arange(RECORDS) < RECORDS - 60), -1, 0).astype(np.int8)
    assert (found := score_target(surer, 0, ATTACKS[:2], known=few)).calibration.name == "non-members"
    assert found.verdicts.called == 0


def test_too_few_known_non_members_give_way_to_references_and_are_refused_by_name(observations):
    known = np.where(np.arange(RECORDS) < 60, 0, -1).astype(np.int8)
    assert score_target(observations, 0, ATTACKS[:1], known=known).calibration.name == "references"
    forced = score_target(observations, 0, ATTACKS[:1], known=known, terms=TargetTerms(calibration="non-members"))
    assert forced.verdicts.called == 0
    assert any("the smallest p-value of 60 non-members is 0.016, above 0.01" in note for note in forced.notes)
    with pytest.raises(InputError, match="calibrate is 'non-members' and there is nothing to do that with"):
        score_target(
            observations, 0, ATTACKS[:1], known=np.full_like(known, -1), terms=TargetTerms(calibration="non-members")
        )


def test_a_file_may_leave_the_targets_members_unknown(tmp_path):
    """What is not known is not taken for a non-member, by whoever reads the file."""
    small = world(references=8, records=400)
    member = small.member.astype(np.int8)
    member[0, :300] = -1
    np.savez(tmp_path / "a.npz", **small.signals, member=member, label=small.label)
    read = read_observations(tmp_path / "a.npz", target=0)
    np.testing.assert_array_equal(read.membership(0), member[0])
    np.testing.assert_array_equal(read.member, member > 0)
    found, due = score_target(read, 0, ATTACKS), score_target(small, 0, ATTACKS, known=member[0])
    assert found.records == due.records
    assert found.verdicts == due.verdicts
    assert (found.verdicts.members + found.verdicts.non_members) == 100
    with pytest.raises(InputError, match="member of model 0 is -1 somewhere and that is no target"):
        read_observations(tmp_path / "a.npz", target=1)
    with pytest.raises(InputError, match="not known of 300 records whether model 0 was trained on them"):
        score(read, ATTACKS)
    with pytest.raises(InputError, match="not known of 300 records whether model 0 was trained on them"):
        lookup("lira-offline")(read, [1])
    references = read.take(slice(1, None)).take_records(np.arange(50))
    assert references.unknown is None
    assert lookup("lira-offline")(references).shape == (8, 50)
    np.testing.assert_array_equal(read.take_records(np.arange(290, 310)).membership(0), member[0, 290:310])


@pytest.mark.parametrize(
    ("observed", "target", "message"),
    [
        (world(2, 20), 0, "give at least 4 references"),
        (world(4, 20), -1, "target is -1 and observations has 5 models"),
        (world(4, 20), 5, "target is 5 and observations has 5 models: give 0 to 4"),
    ],
)
def test_refusals(observed, target, message):
    with pytest.raises(InputError, match=message):
        score_target(observed, target, ATTACKS)
