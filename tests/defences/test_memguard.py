from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.defences import MemGuard
from jaxattack.defences.memguard import undecided, verdict
from jaxattack.types import Answer, Endpoint, InputError

RNG = np.random.default_rng(5)
# Members are answered more surely: what a classifier of members learns.
SURE = (np.arange(80) < 40)[:, None]
P = softmax(RNG.standard_normal((80, 5)) * np.where(SURE, 6.0, 1.0), axis=1).astype(np.float32)
X = RNG.standard_normal((80, 3)).astype(np.float32)
MEMBER = jnp.asarray(SURE[:, 0], jnp.float32)
GUARD = MemGuard(epsilon=0.4, passes=150, learning_rate=0.05)
ANSWER = Answer(P.argmax(1), P)


@pytest.fixture(scope="module")
def state():
    endpoint = Endpoint(lambda: X, lambda x: Answer(jnp.asarray(P.argmax(1)), jnp.asarray(P)) if x is X else None)
    return jax.jit(lambda key: GUARD.fit(key, endpoint, None, MEMBER))(jax.random.key(0))


def test_it_learns_of_the_records_set_aside_and_of_no_other_non_member():
    aside = jnp.arange(70, 80)

    def learn(p, reserve):
        endpoint = Endpoint(lambda: X, lambda _: Answer(jnp.asarray(P.argmax(1)), jnp.asarray(p)), reserve)
        return GUARD.fit(jax.random.key(0), endpoint, None, MEMBER)[0]

    scored = ((np.arange(80) >= 40) & (np.arange(80) < 70))[:, None]
    changed = np.where(scored, P[::-1], P)
    layers, again, elsewhere = (jax.jit(learn)(p, aside) for p in (P, changed, np.where(~scored, P[::-1], P)))
    jax.tree.map(np.testing.assert_array_equal, layers, again)
    assert any((a != b).any() for a, b in zip(jax.tree.leaves(layers), jax.tree.leaves(elsewhere), strict=True))
    with pytest.raises(InputError, match="reserve is 1.0: give the share of all records that is set aside, from 0"):
        MemGuard(reserve=1.0)


def sorted_(p):
    return -jnp.sort(-jnp.asarray(p), axis=1)


def answered(state, guard=GUARD):
    return jax.jit(lambda p, x: guard.answer(state, Answer(ANSWER.label, p), x, None))(P, X)


def test_its_classifier_tells_members_apart_before(state):
    says = np.asarray(verdict(state[0], sorted_(P))) > 0
    assert (says == SURE[:, 0]).mean() > 0.8


def test_the_label_of_a_tie_stays_the_highest(state):
    tied = np.round(P, 1)
    tied[:, 3] = tied.max(axis=1)
    label = np.full(len(P), 3)
    answer = jax.jit(lambda p, x: GUARD.answer(state, Answer(jnp.asarray(label), p), x, None))(tied, X)
    moved = np.asarray(answer.probability)
    assert (np.abs(moved - tied).sum(axis=1) > 1e-3).any()
    assert (moved[:, 3] >= moved.max(axis=1)).all()


def test_moved_confidences_change_sides_and_keep_their_label(state):
    layers, p = state[0], sorted_(P)
    moved = jax.jit(undecided)(layers, p)
    before, after = np.asarray(verdict(layers, p)), np.asarray(verdict(layers, moved))
    changed = np.abs(np.asarray(moved - p)).max(axis=1) > 0
    assert changed.mean() > 0.7
    assert (before * after <= 1e-6)[changed].all()
    assert (np.asarray(moved).argmax(axis=1) == 0)[changed].all()


def test_answers_keep_label_simplex_and_budget(state):
    answer = answered(state)
    np.testing.assert_array_equal(answer.label, P.argmax(1))
    p = np.asarray(answer.probability)
    np.testing.assert_array_equal(p.argmax(1), P.argmax(1))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(p, answered(state).probability)  # the coin belongs to the record


def test_the_budget_bounds_the_expected_distance_and_0_changes_nothing(state):
    np.testing.assert_array_equal(answered(state, MemGuard(epsilon=0.0)).probability, P)
    whole = np.abs(np.asarray(answered(state, MemGuard(epsilon=2.0)).probability) - P).sum(1)
    # Over many coins each answer is replaced with probability min(epsilon / distance, 1).
    # The coins alone depend on the salt: what may replace an answer is computed once for all of them.
    of_salts = jax.vmap(lambda salt: GUARD.answer((state[0], salt), ANSWER, X, None).probability)
    some = np.abs(np.asarray(jax.jit(of_salts)(jnp.arange(60, dtype=jnp.uint32))) - P).sum(2)
    expected = np.minimum(0.4 / np.maximum(whole, 1e-9), 1) * whole
    assert some.mean() == pytest.approx(expected.mean(), rel=0.15)
    assert some.mean(axis=0).max() <= 0.4 + 4 * 0.4 / np.sqrt(60)


def test_one_record_alone_is_answered_as_among_others(state):
    one = jax.jit(lambda p, x: GUARD.answer(state, Answer(ANSWER.label[:1], p), x, None))(P[:1], X[:1])
    np.testing.assert_allclose(one.probability, answered(state).probability[:1], rtol=1e-3, atol=1e-4)
