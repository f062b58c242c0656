"""Training records that a network's weights are made of."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxattack as ja
from jaxattack import Dataset, InputError, Recipe, Variables
from jaxattack.attacks.reconstruction.kkt import KKT, Candidates
from jaxattack.attacks.reconstruction.stationarity import RANGES, Run, residual, smoothed
from jaxattack.models.homogeneous import homogeneous, margin

MODEL = homogeneous((40, 100), 0.3)


def points(records):
    """Points of two classes without a rule, centred."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (records, 40)).astype(np.float32)
    return x - x.mean(axis=0), np.arange(records) % 2


@pytest.fixture(scope="module")
def trained():
    """A network trained on six points, and they."""
    x, y = points(6)
    recipe = Recipe(epochs=3000, batch=6, optimizer="sgd", learning_rate=0.1, weight_decay=1e-3)
    dataset = Dataset(x=x, y=y, classes=2, name="points")
    ensemble, observed = ja.train_ensemble(MODEL, recipe, dataset, np.ones((1, 6), bool))
    assert observed.signals["phi"].min() > 3
    return jax.tree.map(lambda leaf: leaf[0], ensemble.variables), x


def likeness(target, candidate):
    """The largest correlation of each target with a candidate."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (target, candidate))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return (a @ b.T).max(axis=1)


def test_the_weights_show_the_training_records_and_no_others(trained):
    variables, x = trained
    found = KKT(candidates=12, runs=6, steps=1500).search(variables, low=-1.5, high=1.5, seed=1)
    candidates = np.concatenate(found.x[found.best(4)])
    assert candidates.shape == (48, 40)
    control = np.random.default_rng(9).uniform(-1, 1, (200, 40))
    assert (likeness(x, candidates) > 0.85).sum() >= 5
    assert (likeness(control, candidates) > 0.7).sum() == 0


def test_the_network_is_homogeneous_and_its_logits_are_half_the_margin_apart():
    variables, x = MODEL.init(jax.random.key(0)), jnp.asarray(points(4)[0])
    logits = MODEL.apply(variables, x)
    phi = margin(variables.params, x, jax.nn.relu)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], phi, rtol=1e-5)
    doubled = jax.tree.map(lambda leaf: 2 * leaf, variables.params)
    np.testing.assert_allclose(margin(doubled, x, jax.nn.relu), 4 * phi, rtol=1e-5)


def test_the_residual_is_the_sum_of_single_gradients():
    params, x = MODEL.init(jax.random.key(0)).params, jnp.asarray(points(4)[0])
    sign, multiplier, alpha = jnp.array([-1.0, 1, -1, 1]), jnp.array([0.3, 0.1, 0.7, 2.0]), 20.0
    left = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params)]
    for i in range(4):
        single = jax.grad(lambda theta, i=i: margin(theta, x[i : i + 1], lambda z: smoothed(z, jnp.float32(alpha)))[0])
        parts = jax.tree.leaves(single(params))
        left = [a - float(sign[i] * multiplier[i]) * np.asarray(b) for a, b in zip(left, parts, strict=True)]
    size = sum(float((np.asarray(leaf, np.float64) ** 2).sum()) for leaf in jax.tree.leaves(params))
    expected = sum((a**2).sum() for a in left) / size
    assert float(residual(params, x, multiplier, sign, jnp.float32(alpha))) == pytest.approx(expected, rel=1e-4)


def test_weights_made_of_gradients_have_no_residual():
    # With one hidden unit that every x turns on: theta = (w, b, v) and lambda grad = lambda (v x, v, w x + b).
    x = jnp.array([[1.0, 2.0]])
    # (w, b) = lambda v (x, 1) and v = lambda (w x + b), so lambda^2 (|x|^2 + 1) = 1.
    multiplier = 6**-0.5
    v = 1.3
    params = {"kernels": [multiplier * v * x.T, jnp.array([[v]])], "bias": jnp.full((1, 1), multiplier * v)}
    found = residual(params, x, jnp.array([multiplier]), jnp.array([1.0]), jnp.float32(1e6))
    assert float(found) < 1e-10


def test_the_smoothed_step_is_a_sigmoid_in_the_first_derivative_only():
    z, alpha = jnp.array([-0.3, 0.2]), jnp.float32(5)
    np.testing.assert_allclose(smoothed(z, alpha), [0, 0.2])
    slope = jax.grad(lambda z: jnp.sum(smoothed(z, alpha)))
    np.testing.assert_allclose(slope(z), jax.nn.sigmoid(5 * z))
    s = jax.nn.sigmoid(5 * z)
    np.testing.assert_allclose(jax.grad(lambda z: jnp.sum(slope(z)))(z), 5 * s * (1 - s), rtol=1e-5)


def test_runs_do_not_depend_on_how_many_go_side_by_side():
    variables = MODEL.init(jax.random.key(4))
    together = KKT(candidates=4, runs=3, steps=20).search(variables, low=-1.0, high=1.0)
    alone = KKT(candidates=4, runs=2, steps=20, at_once=1).search(variables, low=-1.0, high=1.0)
    np.testing.assert_allclose(alone.x, together.x[:2], atol=1e-4)
    np.testing.assert_allclose(alone.residual, together.residual[:2], rtol=1e-4)
    for value, (low, high) in zip(together.runs, RANGES, strict=True):
        assert (low <= value).all()
        assert (value <= high).all()
        assert len(set(value.tolist())) == 3


def test_a_run_that_diverges_is_counted_and_never_the_best():
    x = np.arange(24.0).reshape(3, 4, 2)
    found = Candidates(
        x=x,
        multiplier=np.ones((3, 4)),
        label=np.arange(4) % 2,
        residual=np.array([np.nan, 0.5, np.nan]),
        runs=Run(*(np.ones(3) for _ in RANGES)),
    )
    assert found.diverged == 2
    np.testing.assert_array_equal(found.best(2), [1])
    with pytest.raises(InputError, match="all 3 runs diverged"):
        replace(found, residual=np.full(3, np.nan)).best()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": 5}, "candidates is 5"),
        ({"candidates": 0}, "candidates is 0"),
        ({"runs": 0}, "runs is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"best": 0}, "best is 0"),
        ({"at_once": 0}, "at_once is 0"),
    ],
)
def test_a_search_out_of_range_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        KKT(**change)


def test_weights_that_cannot_be_read_are_refused():
    attack, variables = KKT(candidates=4, runs=1, steps=1).search, MODEL.init(jax.random.key(0))
    with pytest.raises(InputError, match="train homogeneous:200"):
        attack(ja.models.build("mlp:5", (40,), 2).init(jax.random.key(0)), low=-1.0, high=1.0)
    with pytest.raises(InputError, match="NaN, infinite or all 0"):
        attack(Variables(jax.tree.map(lambda leaf: leaf * np.nan, variables.params), {}), low=-1.0, high=1.0)
    with pytest.raises(InputError, match="records range from 1.0 to 1.0"):
        attack(variables, low=1.0, high=1.0)
    with pytest.raises(InputError, match="at least one hidden layer"):
        homogeneous((16,))
