"""HAMP's answers: the ranking of the record, the values of random inputs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import kstest

from jaxattack.defences import HAMP, LabelOnly, TopK
from jaxattack.defences.hamp import random_inputs
from jaxattack.types import Access, Answer, Endpoint, InputError, Inputs

RNG = np.random.default_rng(0)
WEIGHT = RNG.standard_normal((3, 5)) * 2
X = RNG.uniform(-1, 1, (200, 3)).astype(np.float32)
ACCESS = Access(level="probability", classes=5, inputs=Inputs.box(-1, 1, (3,)))


def ask(x):
    """A linear classifier in float64."""
    z = np.asarray(x, np.float64) @ WEIGHT
    return Answer(z.argmax(axis=1), softmax(z, axis=1), z)


def fitted(draws):
    return HAMP(draws=draws).fit(jax.random.key(0), Endpoint(lambda: X, ask), None, None)


def naive(answer, pool, row):
    """Values handed out a class at a time, the label first, then from the likeliest to the least likely class."""
    replaced = np.empty_like(answer.probability)
    for at, p in enumerate(answer.probability):
        classes = sorted(range(5), key=lambda k: (k != answer.label[at], -p[k], k))
        for place, cls in enumerate(classes):
            replaced[at, cls] = np.sort(pool[row[at]])[::-1][place]
    return replaced


def test_answers_are_a_random_inputs_scores_in_the_records_order():
    (pool, _), _ = state = fitted(16)
    bare, moved = ask(X), HAMP(draws=16).answer(state, ask(X), X, None)
    rows = np.array([np.flatnonzero((pool == np.sort(p)[::-1]).all(axis=1))[0] for p in moved.probability])
    np.testing.assert_array_equal(moved.probability, naive(bare, pool, rows))
    np.testing.assert_array_equal(moved.label, bare.label)
    np.testing.assert_array_equal(np.argsort(moved.probability), np.argsort(bare.probability))
    np.testing.assert_array_equal(np.argsort(moved.logit), np.argsort(bare.logit))
    assert (np.bincount(rows, minlength=16) > 0).all()  # every draw is picked


def test_a_confidence_and_a_logit_are_of_the_same_random_input():
    moved = HAMP(draws=16).answer(fitted(16), ask(X), X, None)
    np.testing.assert_allclose(softmax(moved.logit, axis=1), moved.probability, rtol=1e-9)


def test_two_records_of_one_ranking_are_answered_by_their_hash_alone():
    sure, unsure = np.array([[0.9, 0.06, 0.02, 0.015, 0.005]]), np.array([[0.3, 0.25, 0.2, 0.15, 0.1]])
    state = fitted(64)
    each = [HAMP(draws=64).answer(state, Answer(np.zeros(1, int), p), X[:1], None).probability for p in (sure, unsure)]
    np.testing.assert_array_equal(*each)
    others = [HAMP(draws=64).answer(state, Answer(np.zeros(1, int), sure), x[None], None).probability for x in X[:8]]
    assert len(np.unique(np.concatenate(others), axis=0)) > 4


def test_values_do_not_tell_members_from_others():
    # Members are answered surely and others are not; the values that come back have one distribution.
    state, member = fitted(512), np.arange(200) < 100
    z = np.where(member, 20.0, 1.0)[:, None] * ask(X).probability
    p = softmax(z, axis=1)
    moved = HAMP(draws=512).answer(state, Answer(p.argmax(axis=1), p), X, None).probability.max(axis=1)
    before, after = (kstest(best[member], best[~member]).pvalue for best in (p.max(axis=1), moved))
    assert before < 1e-20
    assert after > 0.01


def test_the_label_is_first_where_scores_tie():
    state = fitted(8)
    tied = Answer(np.array([3]), np.full((1, 5), 0.2))
    moved = HAMP(draws=8).answer(state, tied, X[:1], None)
    assert moved.label == 3
    assert moved.probability.argmax() == 3
    assert (np.diff(moved.probability[0, [0, 1, 2, 4]]) <= 0).all()


@given(seed=st.integers(0, 2**20), dtype=st.sampled_from([np.uint8, np.float32, np.float64]))
def test_random_inputs_lie_between_the_ends_and_are_of_the_records_kind(seed, dtype):
    rng = np.random.default_rng(seed)
    records = np.column_stack([rng.integers(0, 2, 9) * 255, rng.integers(0, 7, 9), rng.uniform(0, 200, 9)]).astype(
        dtype
    )
    drawn = random_inputs(jax.random.key(seed), records, 50)
    assert drawn.dtype == dtype
    assert (drawn >= records.min(axis=0)).all()
    assert (drawn <= records.max(axis=0)).all()
    assert set(drawn[:, 0]) <= set(records[:, 0])
    assert (drawn[:, 1] == np.round(drawn[:, 1])).all()


def test_bits_are_fair_bytes_cover_their_range_and_reals_are_uniform():
    records = np.column_stack([np.arange(256) % 5 == 0, np.arange(256), RNG.uniform(-2, 3, 256)])
    drawn = random_inputs(jax.random.key(1), records, 20000)
    assert drawn[:, 0].mean() == pytest.approx(0.5, abs=0.02)
    assert np.bincount(drawn[:, 1].astype(int), minlength=256).min() > 20
    low, high = records[:, 2].min(), records[:, 2].max()
    assert kstest((drawn[:, 2] - low) / (high - low), "uniform").pvalue > 0.01
    numbers = records[:, 1:2].astype(np.uint8)
    traced = np.asarray(random_inputs(jax.random.key(1), jnp.asarray(numbers), 20000))
    np.testing.assert_array_equal(traced, random_inputs(jax.random.key(1), numbers, 20000))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HAMP(draws=0), "draws is 0"),
        (lambda: HAMP().access(LabelOnly().access(ACCESS)), "labels alone"),
        (lambda: HAMP().access(TopK(k=2).access(ACCESS)), "replaced before they are picked"),
        (
            lambda: HAMP().access(Access(level="probability", classes=1, inputs=ACCESS.inputs)),
            "no classes to be ranked: leave HAMP off",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
