"""Sweeps behind defences: every signal is of the defended answer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack import signals
from jaxattack.data import Halves, load
from jaxattack.defences import (
    DEFENCES,
    FeatureSqueezing,
    LabelOnly,
    MagNet,
    MemGuard,
    Noise,
    Purifier,
    Round,
    Temperature,
    TopK,
    memguard,
)
from jaxattack.models import build
from jaxattack.oracle import defended, from_model
from jaxattack.signals.scores import completed
from jaxattack.training import Placement, Recipe, train_ensemble
from jaxattack.training.images import as_input
from jaxattack.types import Answer, InputError, Inputs

DATA = load("digits").take(np.arange(0, 1797, 20))
MEMBER = Halves()(2, len(DATA), 0)
MODEL, RECIPE = build("mlp:8", DATA.shape, DATA.classes), Recipe(epochs=8, batch=10, learning_rate=0.01)
NAMES = ("phi", "correct", "entropy", "hinge")
X = np.asarray(as_input(jnp.asarray(DATA.x)))


def sweep(*defences, chunk=2, block=1024, names=NAMES):
    placement = Placement(chunk=chunk, vmap=1, block=block)
    return train_ensemble(MODEL, RECIPE, DATA, MEMBER, signals=names, defences=defences, placement=placement)


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    """Of MemGuard's walk, a tenth: most of what these tests would take, and what they ask of it holds at every step."""
    monkeypatch.setattr(memguard, "STEPS", 30)


@pytest.fixture(scope="module")
def bare():
    return sweep()


class Shown:
    def __init__(self, answer, floor):
        self._answer, self.floor, self.refuses = answer, floor, False

    def answer(self, x):
        return self._answer


@pytest.mark.parametrize(
    "chain",
    [(Round(decimals=2),), (TopK(k=3),), (Temperature(temperature=3.0), Round(decimals=1))],
    ids=["round", "top", "temperature and round"],
)
def test_a_sweep_sees_what_an_oracle_behind_the_same_values_answers(bare, chain):
    ensemble, _ = bare
    _, observed = sweep(*chain)
    for model in range(2):
        variables = jax.tree.map(lambda leaf, at=model: leaf[at], ensemble.variables)
        oracle = from_model(MODEL, variables, inputs=Inputs.box(-1, 1, DATA.shape), classes=DATA.classes)
        for defence in chain:
            oracle = defended(oracle, defence)
        answer = oracle(X)
        seen = Answer(jnp.asarray(answer.label), completed(jnp.asarray(answer.probability, jnp.float32)))
        view = Shown(seen, max([signals.scores.TINY, *(defence.resolution for defence in chain)]))
        for name in NAMES:
            expected = np.asarray(signals.lookup(name)(view, None, jnp.asarray(DATA.y), None))
            found = observed.signal(name)[model, :, 0]
            # float32 against the oracle's rounding in float64: a record in a hundred may fall on the other side.
            assert (np.abs(found - expected) > 1e-3 + 1e-3 * np.abs(expected)).mean() <= 0.02, name


def test_what_labels_alone_do_not_allow_is_not_observed():
    _, observed = sweep(LabelOnly())
    assert set(observed.signals) == {"correct"}


def test_confidences_do_not_allow_what_needs_raw_outputs():
    _, observed = sweep(Temperature(temperature=1.0), names=("taylor_t2", "hinge"))
    assert set(observed.signals) == {"phi", "correct", "hinge"}


def test_confidences_at_temperature_1_give_the_bare_phi(bare):
    _, observed = sweep(Temperature(temperature=1.0))
    np.testing.assert_allclose(observed.signal("phi"), bare[1].signal("phi"), rtol=1e-3, atol=1e-3)


MOVES_LABELS = ("noise", "mad", "purifier", "magnet", "squeeze")  # or refuses to answer, which is not right either
QUICK = {"memguard": MemGuard(passes=5), "purifier": Purifier(passes=5), "magnet": MagNet(steps=5, drop_rate=0.1)}


@pytest.mark.parametrize("name", list(DEFENCES))
def test_every_defence_runs_in_a_sweep_and_leaves_the_training_alone(bare, name):
    ensemble, observed = sweep(QUICK.get(name, DEFENCES[name]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), ensemble.variables, bare[0].variables)
    for signal in observed.signals:
        assert np.isfinite(observed.signal(signal)).all()
    if name not in MOVES_LABELS:
        np.testing.assert_array_equal(observed.signal("correct"), bare[1].signal("correct"))


def test_a_sweep_sees_the_refusals_that_an_oracle_shows(bare):
    squeeze = FeatureSqueezing(bits=1, drop_rate=0.3)
    _, observed = sweep(squeeze)
    variables = jax.tree.map(lambda leaf: leaf[0], bare[0].variables)
    oracle = from_model(MODEL, variables, inputs=Inputs.box(-1, 1, DATA.shape), classes=DATA.classes)
    # Thresholds are set on records that are drawn by key, and are the sweep's own: the marks say which it could have set.
    mark = np.asarray(squeeze.mark(jnp.stack([oracle(X).probability, oracle(np.where(X > 0, 1.0, -1.0)).probability])))
    wrong = (observed.signal("correct")[0, :, 0] == 0) & (oracle(X).label == DATA.y)
    assert 0 < wrong.sum() < 0.6 * len(DATA)
    assert mark[wrong].min() > mark[(observed.signal("correct")[0, :, 0] == 1)].max()


def test_a_threshold_behind_fresh_noise_knows_that_every_question_draws_anew(bare):
    """Eight bits of bytes are the identity: all that a mark shows is noise, of the threshold's own questions too."""
    _, observed = sweep(Noise(scale=0.02), FeatureSqueezing(bits=8, drop_rate=0.2))
    right, noisy = (each.signal("correct").sum() for each in (observed, sweep(Noise(scale=0.02))[1]))
    assert 0.5 * noisy < right < noisy


def test_what_a_temperature_leaves_is_told_apart_behind_noise():
    """What the noise before it drowns is above most confidences behind a temperature: cut there, they were one number."""
    chain = Noise(scale=0.3), Temperature(temperature=10.0)
    _, observed = sweep(*chain, names=("softmax_t2", "confidence_vector"))
    below = observed.signal("confidence_vector")[:, :, 0].max(axis=2) < Noise(scale=0.3).resolution
    assert below.mean() > 0.3
    assert np.unique(observed.signal("softmax_t2")[:, :, 0][below]).size > below.sum() / 2


def test_noise_above_any_confidence_leaves_answers_that_signals_tell_apart():
    """Confidences cut at 1 were one number, and no attack found anything behind such noise."""
    _, observed = sweep(Noise(scale=1.0), names=("phi", "confidence_vector"))
    phi, vector = observed.signal("phi")[:, :, 0], observed.signal("confidence_vector")[:, :, 0]
    own = vector[:, np.arange(len(DATA)), DATA.y]
    some = (own > 0) & (own < 1)
    assert some.mean() > 0.3
    for model in range(2):
        order = np.argsort(own[model, some[model]])
        assert (np.diff(phi[model, some[model]][order]) > 0).mean() > 0.99


def test_fresh_noise_does_not_depend_on_chunks_or_blocks():
    noise = Noise(scale=0.2)
    found = [sweep(noise, chunk=chunk, block=block)[1].signal("phi") for chunk, block in ((2, 1024), (1, 7))]
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-3)


def test_a_chain_that_makes_no_sense_is_refused():
    with pytest.raises(InputError, match="no scores to be rounded"):
        sweep(LabelOnly(), Round(decimals=2))
