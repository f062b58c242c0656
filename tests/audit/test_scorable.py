from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxattack.attacks.membership import ATTACKS, FewReferences, LiRA, lookup
from jaxattack.audit.evaluation import evaluate
from jaxattack.audit.scorable import scorable
from jaxattack.data.designs import Poisson
from jaxattack.metrics import auc, roc_curve
from jaxattack.types import InputError, Observations

RNG = np.random.default_rng(0)


def named(*names):
    return {name: lookup(name) for name in names}


def refuses(attack, member):
    """The naive twin: the records at which an attack refuses observations of one record beside sound ones."""
    models, records = member.shape
    sound = np.tile(np.arange(models)[:, None] % 2 == 0, 30)
    phi = np.random.default_rng(1).normal(size=(models, 31, 1)).astype(np.float32)
    refused = []
    for record in range(records):
        joined = np.hstack([sound, member[:, [record]]])
        signals = {signal.name: phi for signal in attack.signals}
        try:
            attack(Observations(signals=signals, member=joined, label=np.zeros(31, int)))
        except InputError:
            refused.append(record)
    return refused


@given(arrays(bool, st.tuples(st.integers(6, 8), st.integers(1, 6))))
def test_what_is_left_out_is_what_an_attack_would_refuse(member):
    # The sound columns are all alike; who is left out beside the target would depend on the others.
    attacks = (LiRA(online=True), LiRA(online=False), LiRA(online=True, variance="record"), ATTACKS["attack-r"])
    for attack in (replace(attack, protocol="leave-one-out") for attack in attacks):
        refused = refuses(attack, member)
        # Sound records beside them, which alone give a spread to pool.
        kept = scorable(np.hstack([member, np.tile(np.arange(len(member))[:, None] % 2 == 0, 30)]), {"one": attack})
        assert kept.records.tolist() == [record for record in range(member.shape[1] + 30) if record not in refused]
        assert bool(kept.notes) == bool(refused)


def test_an_attack_that_scores_hardly_anything_is_refused():
    member = np.tile(np.arange(6)[:, None] < 1, 10)
    with pytest.raises(InputError, match="too few of the records can be scored: 10 of 10"):
        scorable(member, named("lira-online?protocol=leave-one-out"))


def test_an_attack_that_scores_too_few_records_is_left_out_and_the_others_score_them_all():
    member = np.tile(np.arange(6)[:, None] % 2 == 0, 10)
    member[:, :7] = False
    kept = scorable(member, named("lira-online?protocol=leave-one-out", "lira-offline?protocol=leave-one-out", "loss"))
    assert list(kept.attacks) == ["lira-offline?protocol=leave-one-out", "loss"]
    assert len(kept.records) == 10
    (note,) = kept.notes
    assert note.startswith("These attacks are left out, for 7 of 10 records (0, 1, 2, 3, 4, ...)")
    assert note.endswith(": lira-online?protocol=leave-one-out.")


@pytest.mark.parametrize("models", [6, 8, 12])
def test_records_left_out_for_want_of_references_do_not_tell_members(models):
    """Without any leak an attack finds nothing, or does not take part: who is left out depends on the target itself."""
    found: dict[str, list[float]] = {}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        member = Poisson()(models, 1500, seed)
        phi = (rng.normal(2, 2, (1, 1500, 1)) + rng.normal(size=(models, 1500, 1))).astype(np.float32)
        kept = scorable(member, named("lira-online-bayes", "lira-online", "attack-r", "loss"))
        observations = Observations(signals={"phi": phi}, member=member, label=np.zeros(1500, int))
        observations = observations.take_records(kept.records)
        for name, attack in kept.attacks.items():
            curve = roc_curve(attack(observations).ravel(), observations.member.ravel())
            found.setdefault(name, []).append(auc(curve))
    assert "loss" in found
    assert ("lira-online" in found) == (models == 12)
    for aucs in found.values():
        np.testing.assert_allclose(np.mean(aucs), 0.5, atol=0.007)


def test_few_records_left_out_refuse_no_attack():
    member = RNG.permuted(np.tile(np.arange(8)[:, None] % 2 == 0, 200), axis=0)
    member[:, :4] = np.arange(8)[:, None] < 1
    assert scorable(member, named("lira-online")).records.tolist() == [*range(4, 200)]
    member[:, 4] = np.arange(8) < 1
    with pytest.raises(InputError, match="too few of the records can be scored: 5 of 200"):
        scorable(member, named("lira-online"))


def test_attacks_that_need_a_spread_are_left_out_where_one_pair_is_left():
    half = RNG.random((2, 20)) < 0.5
    member = np.concatenate([half, ~half])
    kept = scorable(member, named("lira-online", "lira-offline", "calibration", "loss"))
    assert list(kept.attacks) == ["calibration", "loss"]
    assert all("reference models: choose an attack without references, or train more models" in n for n in kept.notes)
    assert len(scorable(member, named("lira-online?protocol=leave-one-out")).attacks) == 1


def test_an_attack_that_refuses_when_it_is_run_is_told_and_the_others_are_run():
    half = RNG.random((3, 30)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(6, 30)
    phi = RNG.normal(size=(6, 30, 1)).astype(np.float32)
    observations = Observations(signals={"phi": phi}, member=member, label=np.zeros(30, int))
    few = FewReferences(attack=LiRA(online=False), pairs=1)
    found = evaluate(observations, (lookup("loss"), few))
    assert [entry.name for entry in found.attacks] == ["loss"]
    (note,) = found.notes
    assert note.startswith("lira-offline-1 is left out: lira-offline cannot score 30 of 30 records")
    with pytest.raises(InputError, match=r"no attack can be run\. lira-offline-1 is left out"):
        evaluate(observations, (few,))


def test_an_attack_whose_shadow_has_no_member_left_is_told_and_the_others_are_run():
    """With each record in one model, the reference that has it is the one that a target drops: the whole audit was refused."""
    member = np.arange(30) % 6 == np.arange(6)[:, None]
    phi = RNG.normal(size=(6, 30, 1)).astype(np.float32)
    observations = Observations(signals={"phi": phi}, member=member, label=np.zeros(30, int))
    found = evaluate(observations, named("loss", "loss-classwise", "loss-gaussian").values())
    assert [entry.name for entry in found.attacks] == ["loss"]
    assert [note.partition(":")[0] for note in found.notes] == [
        "loss-classwise is left out",
        "loss-gaussian is left out",
    ]


def test_all_attacks_score_the_same_records():
    member = RNG.permuted(np.tile(np.arange(8)[:, None] % 2 == 0, 20), axis=0)
    member[:, 3] = False
    member[:, 5] = True
    phi = RNG.normal(size=(8, 20, 1)).astype(np.float32)
    observations = Observations(signals={"phi": phi}, member=member, label=np.zeros(20, int))
    attacks = [*named("lira-online", "lira-offline", "loss").values()]
    found = evaluate(observations, attacks)
    expected = evaluate(observations.take_records(np.delete(np.arange(20), [3, 5])), attacks)
    assert [entry.auc for entry in found.attacks] == [entry.auc for entry in expected.attacks]
    assert found.vulnerability == expected.vulnerability
    assert len(found.notes) == 3
    assert not expected.notes


def test_records_with_unread_signals_are_left_out_first():
    member = np.tile(np.arange(6)[:, None] % 2 == 0, 10)
    unread = np.arange(10) < 3
    kept = scorable(member, named("loss"), unread)
    assert kept.records.tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert "3 of 10 records" in kept.notes[0]
    with pytest.raises(InputError, match="too few of the records can be scored: Left out: 6 of 10"):
        scorable(member, named("loss"), np.arange(10) < 6)


@pytest.mark.parametrize(("side", "told"), [(True, "all"), (False, "none")])
def test_models_of_all_records_or_of_none_are_refused_before_anything_is_scored(monkeypatch, side, told):
    member = Poisson()(16, 150, 0)
    member[2] = side
    monkeypatch.setattr(LiRA, "__call__", lambda *_: pytest.fail("it was scored"))
    observations = Observations(signals={"phi": RNG.normal(size=(16, 150, 1))}, member=member, label=np.zeros(150, int))
    sentence = rf"model 2 was trained on {told} of the 1[45]\d records that are scored \(1 of 16 models were\): give"
    with pytest.raises(InputError, match=sentence):
        evaluate(observations, (LiRA(online=True),))
