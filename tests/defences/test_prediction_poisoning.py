from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from jaxattack.defences import PredictionPoisoning
from jaxattack.defences.prediction_poisoning import LABEL_EXTRA, misdirection, towards
from jaxattack.types import Answer, InputError

CLASSES = 5
seeds, epsilons = st.integers(0, 2**30), st.floats(0.01, 2)


def confidences(seed, count=12):
    return softmax(np.random.default_rng(seed).standard_normal((count, CLASSES)) * 3, axis=1)


def poisoned(p, **fields):
    return PredictionPoisoning(**fields).answer((), Answer(p.argmax(1), p), p, None)


def even(p):
    return np.full_like(p, 1 / p.shape[1])


def reached(goal, p):
    """The misdirection if all answers went to the same goal."""
    return misdirection(even(p), np.broadcast_to(goal, p.shape), p)


def test_the_misdirection_is_that_of_a_random_networks_gradients():
    random = np.random.default_rng(3)
    inputs, weight = random.standard_normal((12, 7)), random.standard_normal((7, CLASSES)) / 3
    with jax.enable_x64(True):
        # As published: rows of G are gradients of -log F_k in the last layer.
        rows = jax.vmap(jax.jacobian(lambda w, h: -jax.nn.log_softmax(h @ w)), (None, 0))(weight, inputs)
    gradient = np.asarray(rows).reshape(12, CLASSES, -1)
    p, moved = confidences(0), confidences(1)

    def direction(y):
        turned = np.einsum("nkf,nk->nf", gradient, y)
        return turned / np.linalg.norm(turned, axis=1, keepdims=True)

    published = ((direction(moved) - direction(p)) ** 2).sum(1)
    np.testing.assert_allclose(misdirection(softmax(inputs @ weight, axis=1), moved, p), published, atol=1e-6)


@given(seeds, epsilons, st.booleans())
def test_epsilon_is_reached_and_never_passed(seed, epsilon, argmax):
    p = confidences(seed)
    moved = poisoned(p, epsilon=epsilon, argmax=argmax).probability
    distance = np.abs(moved - p).sum(1)
    whole = np.abs(poisoned(p, epsilon=2, argmax=argmax).probability - p).sum(1)
    np.testing.assert_allclose(distance, np.minimum(epsilon, whole), atol=1e-9)
    assert (moved >= 0).all()
    np.testing.assert_allclose(moved.sum(1), 1)
    assert ((turned := misdirection(even(p), moved, p)) >= 0).all()
    assert (turned <= 4 + 1e-9).all()
    if argmax:
        np.testing.assert_array_equal(moved.argmax(1), p.argmax(1))


@given(seeds)
def test_no_extreme_answer_misleads_more(seed):
    p = confidences(seed)
    whole = misdirection(even(p), poisoned(p, epsilon=2).probability, p)
    np.testing.assert_allclose(whole, np.max([reached(vertex, p) for vertex in np.eye(CLASSES)], axis=0), atol=1e-9)


@given(seeds)
def test_no_extreme_answer_with_the_label_misleads_more(seed):
    p = confidences(seed, 6)
    ours = misdirection(even(p), poisoned(p, epsilon=2, argmax=True).probability, p)
    for row, label, reach in zip(p, p.argmax(1), ours, strict=True):
        sets = [np.array(bits, float) for bits in itertools.product((0, 1), repeat=CLASSES) if bits[label]]
        goals = [bits + LABEL_EXTRA * np.eye(CLASSES)[label] for bits in sets]
        best = max(reached(goal / goal.sum(), row[None])[0] for goal in goals)
        assert reach == pytest.approx(
            best, abs=1e-4
        )  # of sets whose cosines tie but for the label's extra either will do


def test_epsilon_0_changes_nothing_and_even_answers_go_somewhere():
    p = confidences(0)
    assert poisoned(p, epsilon=0.0).probability is p
    flat = np.full((1, CLASSES), 1 / CLASSES)
    for argmax in (False, True):
        assert np.isfinite(poisoned(flat, argmax=argmax).probability).all()


def test_two_classes_keep_their_label_or_trade_it():
    p = np.array([[0.7, 0.3]])
    assert poisoned(p, epsilon=1.0).label == 1
    kept = poisoned(p, epsilon=0.2, argmax=True)
    np.testing.assert_allclose(kept.probability, [[0.8, 0.2]], atol=1e-6)


def test_traced_it_is_the_same():
    p = confidences(4)
    for argmax in (False, True):
        traced = jax.jit(
            lambda p, argmax=argmax: PredictionPoisoning(argmax=argmax).answer((), Answer(p.argmax(1), p), p, None)
        )(jnp.asarray(p, jnp.float32))
        np.testing.assert_allclose(traced.probability, poisoned(p, argmax=argmax).probability, atol=1e-5)


def test_what_is_at_its_goal_stays_there():
    goal = np.eye(2)
    np.testing.assert_array_equal(towards(goal, goal, 0.5), goal)


def test_epsilon_out_of_range_is_refused():
    with pytest.raises(InputError, match=r"epsilon is 2.5"):
        PredictionPoisoning(epsilon=2.5)
