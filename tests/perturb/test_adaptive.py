"""Defended models as one that can be differentiated: the same answers, the same refusals, and attacks that go through."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.evasion import PGD, HopSkipJump, adaptive, lookup, worst
from jaxattack.attacks.evasion.white_box import Draw, Examples
from jaxattack.audit import evade
from jaxattack.audit.adaptive import guarded
from jaxattack.audit.victim import Victim
from jaxattack.defences import (
    DEFENCES,
    FeatureSqueezing,
    MagNet,
    Noise,
    PredictionPoisoning,
    Purifier,
    Round,
    Temperature,
)
from jaxattack.models import build
from jaxattack.oracle import from_model
from jaxattack.perturb.adaptive import Alarm, through
from jaxattack.perturb.losses import Penalised
from jaxattack.training import Recipe, train_one
from jaxattack.types import Dataset, DetectingDefence, InputError, Inputs, WhiteBox, any_detects

RNG = np.random.default_rng(6)
# Records near a plane of two dimensions in six, whose class is the side of a line within it.
PLANE = np.linalg.qr(RNG.standard_normal((6, 2)))[0].T
PLACE = RNG.uniform(-1, 1, (240, 2))
X = (0.5 + 0.3 * PLACE @ PLANE).astype(np.float32)
Y = (PLACE[:, 0] > 0).astype(np.int64) + (PLACE[:, 1] > 0)
DATA = Dataset(x=X, y=Y, classes=3, name="plane")
MEMBER = np.arange(240) < 120
# What is as much the defence with less work.
QUICK = {
    "magnet": MagNet(drop_rate=0.05, steps=400, learning_rate=0.02, noise=0.02),
    "squeeze": FeatureSqueezing(bits=2, drop_rate=0.2),
}
DETECTING = [name for name, defence in DEFENCES.items() if isinstance(defence, DetectingDefence)]
SIZE = 0.15


@pytest.fixture(autouse=True)
def _one_weight(monkeypatch):
    """Few steps are enough here; the loop over weights is tried by records that need the second."""
    monkeypatch.setattr(adaptive, "WEIGHTS", (1.0,))


@pytest.fixture(scope="module")
def bare():
    model = build("mlp:16", (6,), 3)
    variables = train_one(model, Recipe(epochs=60, batch=20, learning_rate=0.01), DATA, MEMBER)
    inputs = Inputs(low=X.min(axis=0), high=X.max(axis=0), categories=np.zeros(6, int))
    box = WhiteBox(model=model, variables=variables, inputs=inputs, classes=3)
    return Victim(
        name="a network on a plane",
        oracle=from_model(model, variables, inputs=inputs, classes=3),
        inside=box,
        dataset=DATA,
        member=MEMBER,
        x=X[~MEMBER].astype(np.float64),
        y=Y[~MEMBER],
    )


@pytest.fixture(scope="module")
def victims(bare):
    return {name: bare.behind([QUICK[name]]) for name in QUICK}


def test_every_detecting_defence_is_tried():
    assert {name: type(defence) for name, defence in QUICK.items()} == {
        name: type(DEFENCES[name]) for name in DETECTING
    }


@pytest.mark.parametrize("name", QUICK)
def test_the_view_answers_and_refuses_as_the_oracle(victims, name):
    victim = victims[name].behind([Temperature(temperature=2.0)])
    x = victim.x.copy()
    x[::2] = np.clip(x[::2] + RNG.uniform(-0.2, 0.2, x[::2].shape), X.min(axis=0), X.max(axis=0))
    answer = victim.oracle(x)
    view = through(victim.inside, victim.chain)
    alarm = Alarm(victim.inside.model, tuple(defence for defence, _ in victim.chain))
    logits, raised = jax.jit(lambda x: (view.model.apply(view.variables, x), alarm(view.variables, x)))(
        jnp.asarray(x, jnp.float32)
    )
    np.testing.assert_array_equal(np.asarray(logits).argmax(axis=1)[~answer.refusal], answer.label[~answer.refusal])
    assert 0 < answer.refusal.mean() < 1
    assert (np.asarray(raised)[answer.refusal] > 0).all()
    # Within the room that the alarm keeps below a threshold nothing is refused yet.
    assert (answer.refusal[np.asarray(raised) > 0.1]).all()


@pytest.mark.parametrize("name", QUICK)
def test_who_knows_a_defence_gets_past_it_where_others_are_refused(victims, name):
    victim, attack = victims[name], PGD(size=SIZE, steps=30)
    unaware, aware = (evade(victim, attack, adaptive=knows, records=120) for knows in (False, True))
    assert aware.evasion.among_right > unaware.evasion.among_right
    assert aware.evasion.notes.get("refused", 0) < unaware.evasion.notes["refused"]
    assert victim.name in unaware.findings.warnings[0]
    assert "adaptive" in unaware.findings.warnings[0]
    assert not any("without its defence (" in sentence for sentence in aware.findings.warnings)
    answer = victim.oracle(aware.evasion.example)
    fooled = (np.asarray(answer.label) != Y[~MEMBER]) & ~answer.refusal
    np.testing.assert_array_equal(aware.evasion.success[aware.evasion.right], fooled[aware.evasion.right])


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_gets_past_in_ignorance_gets_past_with_knowledge(victims, norm):
    """Far beyond the boundary squeezed copies agree, and little is refused that does not know of them."""
    unaware, aware = (
        evade(victims["squeeze"], PGD(norm=norm, size=0.45, steps=30), adaptive=knows, records=120).evasion.success
        for knows in (False, True)
    )
    assert unaware.mean() > 0.2
    assert aware[unaware].all()


def test_an_ascent_is_tried_on_what_those_before_it_did_not_get_through(victims, monkeypatch):
    calls = []

    class Recording(PGD):
        def craft(self, box, x, y, draw):
            weight = float(box.variables.rest[1]) if isinstance(self.loss, Penalised) else None
            calls.append((weight, self.direction, draw.record.tolist()))
            return Examples(x.copy(), len(x))

    monkeypatch.setattr(adaptive, "WEIGHTS", (1.0, 10.0))
    victim = victims["squeeze"]
    alarm = Alarm(victim.inside.model, tuple(defence for defence, _ in victim.chain))
    attack = adaptive.Adaptive(attack=Recording(size=SIZE), penalty=alarm)
    view, y = through(victim.inside, victim.chain), victim.y.copy()
    y[:5] = (y[:5] + 1) % 3  # what is labelled otherwise already, and not refused, is through
    quiet = ~victim.oracle(victim.x).refusal
    result = attack.craft(view, victim.x, y, Draw())
    assert [call[:2] for call in calls] == [(None, None), (1.0, "l2"), (1.0, None), (10.0, "l2"), (10.0, None)]
    (*_, every), (*_, left), *others = calls
    assert every == list(range(120))
    assert all(again == left for *_, again in others)
    assert result.gradients == 120 + 4 * len(left)
    through_at_once = {record for record in range(5) if quiet[record]}
    assert through_at_once
    assert not through_at_once & set(left)


def test_a_rate_of_the_max_norm_is_not_taken_for_one_along_the_gradient(victims):
    victim = victims["squeeze"]
    alarm = Alarm(victim.inside.model, tuple(defence for defence, _ in victim.chain))
    ascents = adaptive.Adaptive(attack=PGD(size=SIZE, rate=0.01), penalty=alarm)._directions()
    assert [(ascent.direction, ascent.rate) for ascent in ascents] == [("l2", None), (None, 0.01)]


def test_a_refusal_is_no_success_and_a_refused_record_is_wrong(victims):
    victim = victims["squeeze"]
    evasion = evade(victim, PGD(size=SIZE, steps=30), records=120).evasion
    answer = victim.oracle(victim.x)
    np.testing.assert_array_equal(evasion.right, (answer.label == victim.y) & ~answer.refusal)
    assert not evasion.right[answer.refusal].any()


@pytest.mark.parametrize(
    "defence",
    [PredictionPoisoning(epsilon=1.5), Purifier(passes=20, radius=2.0), Noise(scale=0.4, by_record=True)],
    ids=repr,
)
def test_examples_are_judged_by_the_labels_that_a_defence_answers(bare, defence):
    victim = bare.behind([defence])
    result = evade(victim, PGD(size=SIZE, steps=30), records=120)
    own, moved = (victim.oracle(each).label for each in (victim.x, result.evasion.example))
    assert (own != bare.oracle(victim.x).label).any()
    np.testing.assert_array_equal(result.evasion.right, own == victim.y)
    right = result.evasion.right
    np.testing.assert_array_equal(result.evasion.success[right], (moved != victim.y)[right])
    assert "changes labels" in result.findings.warnings[0]


def test_defences_that_leave_labels_alone_change_nothing_of_an_attack_on_weights(bare):
    plain, behind = (
        evade(victim, PGD(size=SIZE, steps=30), records=120) for victim in (bare, bare.behind([Round(decimals=1)]))
    )
    np.testing.assert_array_equal(plain.evasion.example, behind.evasion.example)
    assert behind.findings.warnings == plain.findings.warnings == ()
    assert behind.findings.cost.queries == 0


def test_a_series_that_only_asks_meets_the_defence_itself(victims):
    victim, attack = victims["squeeze"], HopSkipJump(queries=60)
    alone, series = (evade(victim, each, records=20).evasion for each in (attack, worst(attack)))
    assert series.attack == "worst"
    assert (series.questions[series.right] > 2).all()
    np.testing.assert_array_equal(series.right, alone.right)
    answer = victim.oracle(series.example)
    fooled = (answer.label != Y[~MEMBER][:20]) & ~answer.refusal
    np.testing.assert_array_equal(series.success[series.right], fooled[series.right])
    with pytest.raises(InputError, match="asks the victim as it is"):
        evade(victim, worst(attack), adaptive=True, records=5)


def test_the_same_model_behind_the_same_defences_is_one_program(victims):
    victim = victims["squeeze"]
    assert through(victim.inside, victim.chain).model is through(victim.inside, victim.chain).model
    assert any_detects(defence for defence, _ in victim.chain)
    assert not any_detects([FeatureSqueezing(drop_rate=0.0, reform=True)])


def test_there_must_be_something_to_adapt_to_and_something_that_does(bare, victims):
    for victim, attack, message in (
        (bare, "pgd", "leave adaptive out"),
        (bare.behind([Temperature(temperature=2.0)]), "pgd", "put magnet or squeeze before it"),
        (victims["magnet"], "deepfool", "deepfool has no loss"),
        (victims["magnet"], "hopskipjump", "asks the victim as it is"),
    ):
        assert guarded(victim) == (victim is victims["magnet"])
        with pytest.raises(InputError, match=message):
            evade(victim, lookup(attack), adaptive=True, records=5)
