"""MagNet: marks of known manifolds, thresholds at their rank, refusals, and nothing where it is to do nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.defences import MagNet, autoencoder
from jaxattack.defences.asking import answer_to
from jaxattack.defences.detection import thresholds
from jaxattack.defences.magnet import distance, divergence
from jaxattack.defences.reserve import reserve_weight
from jaxattack.oracle import defended, from_function
from jaxattack.types import Access, Answer, Endpoint, InputError, Inputs

RNG = np.random.default_rng(3)
TERMS = Access(level="probability", classes=3, inputs=Inputs.box(0, 1, (4, 4, 1)))
WEIGHT = RNG.standard_normal((16, 3))
PICTURES = RNG.uniform(0, 1, (40, 4, 4, 1)).astype(np.float32)
MEMBER = (np.arange(40) < 20).astype(np.float32)
KEY = jax.random.key(2)
GUARD = MagNet(steps=30, drop_rate=0.2, temperatures=(5.0,))


def confidences(x):
    xp = x.__array_namespace__()
    weight = xp.exp(x.reshape(len(x), -1) @ xp.asarray(WEIGHT))
    return weight / weight.sum(axis=1, keepdims=True)


def ask(x):
    p = confidences(x)
    return Answer(p.argmax(axis=1), p)


@pytest.fixture(scope="module")
def state():
    """Compiled whole, which is faster than step by step."""
    return jax.jit(lambda key: GUARD.fit(key, Endpoint(lambda: jnp.asarray(PICTURES), ask), None, MEMBER))(KEY)


def test_a_perfect_autoencoder_marks_by_the_exact_distance_from_the_manifold():
    basis = np.linalg.qr(RNG.standard_normal((6, 2)))[0]
    on = RNG.standard_normal((10, 2)) @ basis.T
    off = RNG.standard_normal((10, 6))
    off -= off @ basis @ basis.T

    def project(x):
        return x @ basis @ basis.T

    with jax.enable_x64(True):
        clean, moved = jnp.asarray(on), jnp.asarray(on + off)
        np.testing.assert_allclose(distance(clean, project(clean), 2), 0, atol=1e-30)
        np.testing.assert_allclose(distance(moved, project(moved), 2), (off**2).sum(axis=1) / 6, rtol=1e-12)
        np.testing.assert_allclose(distance(moved, project(moved), 1), np.abs(off).sum(axis=1) / 6, rtol=1e-12)


def test_without_a_validation_record_nothing_is_refused():
    marks = jnp.asarray(RNG.uniform(size=(2, 9)).astype(np.float32))
    assert np.isinf(thresholds(marks, jnp.zeros(9), 0.1)).all(), "every query was refused, and every attack with it"


def test_of_few_non_members_some_are_a_reserve_whatever_the_key():
    member = np.ones(9, np.float32)
    member[:2] = 0
    endpoint = Endpoint(lambda: jnp.asarray(PICTURES[:9]), ask)
    weights = [np.asarray(reserve_weight(jax.random.key(seed), endpoint, member)) for seed in range(20)]
    assert all(weight[:2].any() and not weight[2:].any() for weight in weights)
    assert {weight.sum() for weight in weights} == {1, 2}


def test_the_threshold_refuses_the_share_of_validation_records_that_it_is_to():
    marks = jnp.asarray(RNG.permutation(200).astype(np.float32))[None] + 1
    weight = jnp.asarray((np.arange(200) < 100).astype(np.float32))
    for rate, refused in ((0.05, 5), (0.29, 29), (0.001, 0)):
        level = thresholds(marks, weight, rate)[0]
        assert int((marks[0, :100] >= level).sum()) == refused
    assert float(thresholds(marks, weight, 0.001)[0]) == np.nextafter(marks[0, :100].max(), np.float32(np.inf))


def test_divergence_is_that_of_jensen_and_shannon():
    from scipy.spatial.distance import jensenshannon

    p, q = confidences(PICTURES[:5]), confidences(PICTURES[5:10])
    p[0], q[0] = np.eye(3)[:2]
    near = jax.jit(lambda p, q: divergence(p, q, (1.0, 1000.0)))(p, q)
    np.testing.assert_allclose(near[0], jensenshannon(p, q, axis=1) ** 2, rtol=1e-4)
    assert float(near[1, 0]) < 0.01 * np.log(2)


def test_convolution_of_few_channels_is_convolution():
    h = jnp.asarray(RNG.standard_normal((2, 5, 6, 3)), jnp.float32)
    kernel = jnp.asarray(RNG.standard_normal((3, 3, 2, 4)), jnp.float32)
    expected = jax.lax.conv_general_dilated(h, kernel, (1, 1), "SAME", dimension_numbers=("CHWN", "HWIO", "CHWN"))
    np.testing.assert_allclose(autoencoder.convolve(h, kernel), expected, rtol=1e-4, atol=1e-5)


def test_an_odd_picture_comes_back_in_its_own_shape():
    layers = autoencoder.start(KEY, "wide", (5, 7, 2), 3)
    shape = jax.eval_shape(autoencoder.reconstruct, layers, jnp.ones((2, 5, 7, 2))).shape
    assert shape == (2, 5, 7, 2)


def test_an_autoencoder_learns_to_give_records_back(state):
    start = autoencoder.start(KEY, "wide", (4, 4, 1), 3)
    share = jnp.asarray(PICTURES)
    far = jax.jit(lambda layers: distance(share, autoencoder.reconstruct(layers, share), 2).mean())
    assert float(far(state.wide)) < float(far(start))


def test_it_answers_about_the_reconstruction_and_refuses_with_confidences_all_alike(state):
    oracle = defended(from_function(confidences, TERMS), GUARD, state=state)
    far = (PICTURES > 0.5).astype(float)
    answer = oracle(np.concatenate([PICTURES, far]).astype(float))
    views = ask(GUARD.questions(state, PICTURES.astype(float))[0])
    open_to = ~answer.refusal[:40]
    assert open_to.any()
    assert answer.refusal[40:].mean() > answer.refusal[:40].mean()
    np.testing.assert_allclose(answer.probability[:40][open_to], views.probability[open_to], rtol=1e-5)
    np.testing.assert_array_equal(answer.label[:40], views.label)
    assert (answer.probability[answer.refusal] == 1 / 3).all()
    marks = GUARD.excess(state, answer_to(GUARD, state, ask, PICTURES.astype(float)), PICTURES.astype(float))
    np.testing.assert_array_equal((np.asarray(marks) >= 0).any(axis=0), answer.refusal[:40])


def test_without_reform_and_without_detectors_nothing_changes_bit_for_bit():
    nothing = MagNet(reform=False, drop_rate=0.0)
    assert nothing.fit(KEY, Endpoint(lambda: PICTURES, ask), None, MEMBER) == ()
    oracle = from_function(confidences, TERMS)
    x = PICTURES.astype(float)
    np.testing.assert_array_equal(defended(oracle, nothing)(x).probability, oracle(x).probability)
    np.testing.assert_array_equal(nothing.questions((), x)[0], x)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"drop_rate": 1.0}, "drop_rate is 1.0"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"temperatures": (0.0,)}, "temperatures are"),
        ({"steps": 0}, "steps is 0"),
        ({"reserve": 1.0}, "reserve is 1.0"),
    ],
)
def test_values_out_of_range_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        MagNet(**fields)
