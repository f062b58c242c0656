"""Feature squeezing: its squeezers beside their naive twins, their gradients, and nothing where it is to do nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import median_filter

from jaxattack.defences import FeatureSqueezing, squeezers
from jaxattack.oracle import defended, from_function
from jaxattack.types import Access, Answer, Endpoint, InputError, Inputs

RNG = np.random.default_rng(4)
X = RNG.uniform(0, 1, (60, 6)).astype(np.float32)
X[0], X[1] = 0, 1  # the range of every feature
WEIGHT = RNG.standard_normal((6, 3)) * 4
MEMBER = (np.arange(60) < 20).astype(np.float32)
KEY = jax.random.key(2)
TERMS = Access(level="probability", classes=3, inputs=Inputs.box(0, 1, (6,)))


def confidences(x):
    weight = np.exp(x @ WEIGHT + np.arange(3))
    return weight / weight.sum(axis=1, keepdims=True)


def ask(x):
    p = confidences(np.asarray(x, np.float64))
    return Answer(p.argmax(axis=1), p)


def fit(defence, x=X):
    return defence.fit(KEY, Endpoint(lambda: x, ask), None, MEMBER)


def test_one_bit_of_binary_records_is_the_identity_and_marks_nothing():
    binary = (X > 0.5).astype(np.float32)
    defence = FeatureSqueezing(reform=True)
    state = fit(defence, binary)
    np.testing.assert_array_equal(defence.questions(state, binary), np.stack([binary] * 3))
    oracle = from_function(confidences, TERMS)
    behind = defended(oracle, defence, state=state)(binary.astype(float))
    np.testing.assert_array_equal(behind.probability, oracle(binary.astype(float)).probability)
    assert not behind.refusal.any()


def test_depth_rounds_to_so_many_bits():
    np.testing.assert_allclose(squeezers.depth(jnp.asarray(X), 3), np.round(X * 7) / 7, atol=1e-6)


def test_the_median_is_scipys():
    pictures = RNG.uniform(0, 1, (3, 5, 6, 2)).astype(np.float32)
    expected = median_filter(pictures, size=(1, 2, 2, 1))
    np.testing.assert_array_equal(jax.jit(lambda x: squeezers.median(x, 2))(pictures), expected)


def naive_non_local(picture, strength):
    reach, edge = squeezers.SEARCH // 2, squeezers.PATCH // 2
    rows, columns, _ = picture.shape
    around = np.pad(picture, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric").astype(np.float64)
    result = np.zeros_like(picture, np.float64)
    for i in range(rows):
        for j in range(columns):
            total, weights = 0.0, 0.0
            for a in range(squeezers.SEARCH):
                for b in range(squeezers.SEARCH):
                    squared = ((255 * (picture - around[a : a + rows, b : b + columns])) ** 2).mean(axis=2)
                    padded = np.pad(squared, edge, mode="symmetric")
                    weight = np.exp(-padded[i : i + 2 * edge + 1, j : j + 2 * edge + 1].mean() / strength**2)
                    total, weights = total + weight * around[i + a, j + b], weights + weight
            result[i, j] = total / weights
    return result


def test_the_non_local_mean_is_its_naive_twin():
    picture = RNG.uniform(0, 1, (4, 3, 2)).astype(np.float32)
    mean = jax.jit(lambda x: squeezers.non_local_mean(x, 60.0))(picture[None])[0]
    np.testing.assert_allclose(mean, naive_non_local(picture, 60.0), atol=1e-5)


def test_a_squeezer_has_the_gradient_of_the_identity():
    share = jnp.asarray(X[:2])
    slope = jax.grad(lambda share: (squeezers.depth(share, 1) * jnp.arange(6.0)[None]).sum())(share)
    np.testing.assert_array_equal(slope, np.tile(np.arange(6.0), (2, 1)))


def test_a_query_is_refused_where_its_copies_are_answered_otherwise():
    defence = FeatureSqueezing(bits=1, drop_rate=0.25)
    behind = defended(from_function(confidences, TERMS), defence, state=fit(defence))
    x = X.astype(np.float64)
    mark = np.abs(confidences(x) - confidences(x.round())).sum(axis=1)
    level = mark[behind(x).refusal].min()
    np.testing.assert_array_equal(behind(x).refusal, mark >= level)
    assert 0.05 < behind(x).refusal.mean() < 0.6
    open_to = ~behind(x).refusal
    np.testing.assert_array_equal(behind(x).probability[open_to], confidences(x)[open_to])


def test_reform_alone_answers_about_the_squeezed_copy():
    defence = FeatureSqueezing(bits=2, drop_rate=0.0, reform=True)
    behind = defended(from_function(confidences, TERMS), defence, state=fit(defence))
    copy = np.round(X * 3) / 3
    np.testing.assert_allclose(behind(X.astype(float)).probability, confidences(copy), atol=1e-4)


@pytest.mark.parametrize("nothing", [FeatureSqueezing(bits=0), FeatureSqueezing(bits=3, drop_rate=0.0)])
def test_without_a_squeezer_or_a_use_of_it_nothing_changes_bit_for_bit(nothing):
    oracle = from_function(confidences, TERMS)
    x = X.astype(float)
    assert fit(nothing) == ()
    np.testing.assert_array_equal(defended(oracle, nothing)(x).probability, oracle(x).probability)


def test_what_makes_no_sense_is_refused():
    for fields, message in (
        ({"bits": 9}, "bits is 9"),
        ({"median": 1}, "median is 1"),
        ({"strength": -1.0}, "strength is -1"),
        ({"drop_rate": 1.0}, "drop_rate is 1.0"),
    ):
        with pytest.raises(InputError, match=message):
            FeatureSqueezing(**fields)
    with pytest.raises(InputError, match="squeezers of pictures"):
        fit(FeatureSqueezing(median=2))
