"""Every defence by name: one function for NumPy and for JAX, on its own terms, that keeps what it promises."""

from __future__ import annotations

import functools
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from jaxattack.defences import (
    DEFENCES,
    LabelOnly,
    MagNet,
    MemGuard,
    Noise,
    ReverseSigmoid,
    Round,
    Temperature,
    TopK,
    describe,
    memguard,
    terms_behind,
)
from jaxattack.defences.asking import answer_to
from jaxattack.defences.noise import as_confidences
from jaxattack.oracle import defended, from_function
from jaxattack.types import Access, Answer, AskingDefence, Defence, Endpoint, InputError, Inputs, resolution_behind

RNG = np.random.default_rng(0)
LOGIT = RNG.standard_normal((30, 6)).astype(np.float32) * 3
X = LOGIT  # the model answers the softmax of its inputs
Y = RNG.integers(0, 6, 30)
MEMBER = (np.arange(30) < 15).astype(np.float32)
KEY = jax.random.key(1)
KEYS = jax.random.split(KEY, 30)
ACCESS = Access(level="probability", classes=6, inputs=Inputs.box(-9, 9, (6,)))
ENDPOINT = Endpoint(lambda: jnp.asarray(X), lambda x: ask(x))
# What is as much the defence with less work.
QUICK = {"magnet": MagNet(steps=50, drop_rate=0.2, temperatures=(10.0,))}
named = pytest.mark.parametrize("name", list(DEFENCES))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    """Of MemGuard's walk, a tenth: most of what these tests would take, and what they ask of it holds at every step."""
    monkeypatch.setattr(memguard, "STEPS", 30)


def ask(x):
    return Answer(x.argmax(axis=1), softmax(x, axis=1) if isinstance(x, np.ndarray) else jax.nn.softmax(x))


def answer_of(xp, dtype):
    p = softmax(LOGIT.astype(np.float64), axis=1).astype(dtype)
    return Answer(xp.asarray(LOGIT.argmax(1)), xp.asarray(p))


def behind(defence, state, answer, x, key):
    handed = answer_to(defence, state, ask, x) if isinstance(defence, AskingDefence) else answer
    return defence.answer(state, handed, x, key)


@functools.cache
def fitted(defence):
    """Compiled whole, and once: a defence that learns compiles for longer than it runs."""
    return jax.jit(lambda key: defence.fit(key, ENDPOINT, jnp.asarray(Y), jnp.asarray(MEMBER)))(KEY)


@named
def test_it_is_a_hashable_defence_of_plain_values(name):
    defence = DEFENCES[name]
    assert isinstance(defence, Defence)
    assert hash(defence) == hash(type(defence)())
    assert json.loads(json.dumps(describe(defence))) == describe(defence)
    assert describe(defence)["name"] == type(defence).__name__


@named
def test_its_answer_keeps_to_its_terms_traced_or_not(name):
    defence = QUICK.get(name, DEFENCES[name])
    access, state = defence.access(ACCESS), fitted(defence)
    traced = jax.jit(partial(behind, defence, state, answer_of(jnp, np.float32)))(jnp.asarray(X), KEYS)
    plain = behind(defence, state, answer_of(np, np.float64), X.astype(np.float64), np.random.default_rng(0))
    for answer in (traced, plain):
        assert answer.logit is None
        assert (answer.probability is None) == (access.level == "label")
        if answer.probability is not None:
            p = np.asarray(answer.probability)
            shown = np.isfinite(p)
            assert shown.sum(axis=1).tolist() == [access.top or 6] * 30
            assert (p[shown] >= 0).all()
            if not (access.top or access.decimals is not None):
                np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    if not defence.fresh:
        np.testing.assert_array_equal(traced.label, plain.label)
        if traced.probability is not None:
            # Rounding may go either way where float32 and float64 differ; a few records at most.
            apart = np.abs(np.nan_to_num(np.asarray(traced.probability) - np.asarray(plain.probability))).max(axis=1)
            assert (apart > 1e-3).sum() <= 1


@named
def test_around_an_oracle_it_asks_what_it_is_asked_and_nothing_else(name):
    oracle = from_function(lambda x: softmax(x @ LOGIT[: X.shape[1]], axis=1), ACCESS)
    defence = QUICK.get(name, DEFENCES[name])
    state = fitted(defence)
    views = len(defence.questions(state, X)) if isinstance(defence, AskingDefence) else 1
    behind = defended(oracle, defence, state=state)
    for count in (30, 3):
        assert len(behind(X[:count].astype(float)).label) == count
    assert (oracle.ledger.queries, oracle.ledger.calls) == (33 * views, 2)
    # What it asks beside the queries is not billed to whoever asks.
    assert behind.ledger.queries == 33
    assert behind.ledger.price == pytest.approx(oracle.ledger.price / views)
    assert views > 1 or behind.ledger == oracle.ledger


@named
def test_it_refuses_labels_alone_unless_it_is_labels_alone(name):
    labels = LabelOnly().access(ACCESS)
    if name == "label":
        assert labels.level == "label"
        return
    with pytest.raises(InputError, match="labels alone"):
        DEFENCES[name].access(labels)


def test_terms_follow_a_chain():
    access = terms_behind((Temperature(temperature=2.0), Round(decimals=2), TopK(k=3)), ACCESS)
    assert (access.decimals, access.top, access.level) == (2, 3, "probability")
    with pytest.raises(InputError, match="before they are picked"):
        terms_behind((TopK(k=3), Noise(scale=0.1)), ACCESS)


def test_only_noise_and_rounding_drown_small_confidences():
    assert Round(decimals=2).resolution == 0.005
    assert Noise(scale=0.3).resolution == 0.3
    assert Noise(scale=3.0).resolution == 0.5
    assert [TopK().resolution, LabelOnly().resolution, Temperature().resolution, MemGuard().resolution] == [0.0] * 4


def test_what_a_chain_drowns_is_rescaled_with_its_confidences():
    assert resolution_behind((Round(decimals=1), Temperature(temperature=0.5)), 4) == pytest.approx(0.05**2)
    assert resolution_behind((Round(decimals=1), ReverseSigmoid(), TopK()), 4) == 0
    assert resolution_behind((ReverseSigmoid(), Round(decimals=1), TopK()), 4) == 0.05
    for sure in (0.25, 0.5, 0.95):
        p = np.array([[0.05, sure, *[(0.95 - sure) / 2] * 2]])
        least = Temperature(temperature=3.0).answer((), Answer(p.argmax(1), p), None, None).probability[0, 0]
        bound = resolution_behind((Round(decimals=1), Temperature(temperature=3.0)), 4)
        assert 0.5 * least < bound <= least


@given(st.integers(0, 2**30))
def test_what_noise_leaves_is_a_confidence(seed):
    scores = np.random.default_rng(seed).standard_normal((5, 3))
    scores[0] = -1.0
    p = as_confidences(scores)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(p.argmax(axis=1), scores.argmax(axis=1))


def noise_on(defence, state, repeats, key):
    answer = Answer(jnp.zeros(30, int), None, jnp.asarray(LOGIT))
    draw = jax.jit(lambda keys: defence.answer(state, answer, jnp.asarray(X), keys).logit)
    keys = jax.vmap(lambda one: jax.random.split(one, 30))(jax.random.split(key, repeats))
    return np.stack([np.asarray(draw(one)) for one in keys]) - LOGIT


def test_repetition_averages_fresh_noise_away_and_leaves_a_records_own():
    fresh = noise_on(Noise(scale=0.5), (), 100, KEY)
    assert fresh.std() == pytest.approx(0.5, rel=0.05)
    assert fresh.mean(axis=0).std() == pytest.approx(0.05, rel=0.15)  # variance v / n
    own = noise_on(Noise(scale=0.5, by_record=True), jnp.uint32(3), 3, KEY)
    np.testing.assert_array_equal(own[0], own[2])
    assert own[0].std() == pytest.approx(0.5, rel=0.2)
    other = noise_on(Noise(scale=0.5, by_record=True), jnp.uint32(4), 1, KEY)
    assert np.abs(np.corrcoef(own[0].ravel(), other[0].ravel())[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Round(decimals=18), "decimals is 18"),
        (lambda: TopK(k=0), "k is 0"),
        (lambda: TopK(k=7).access(ACCESS), "k is 7 and there are 6 classes"),
        (lambda: Temperature(temperature=0.0), "temperature is 0.0"),
        (lambda: Noise(scale=-1.0), "scale is -1.0"),
        (lambda: MemGuard(epsilon=-1.0), "epsilon is -1.0"),
        (lambda: MemGuard(passes=0), "passes is 0"),
        (lambda: MemGuard(learning_rate=0.0), "learning_rate is 0.0"),
        (
            lambda: MemGuard().access(Access(level="logit", classes=6, inputs=ACCESS.inputs)),
            "MemGuard moves confidences",
        ),
    ],
)
def test_a_defence_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
