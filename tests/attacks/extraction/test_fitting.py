"""Many substitutes trained at once, against each trained alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from jaxattack.attacks.extraction import rbf
from jaxattack.attacks.extraction.fitting import fit, multinomial
from jaxattack.attacks.extraction.substitute import Substitute
from jaxattack.types import Inputs

BOX = Inputs.box(-1, 1, (2,))


def ring(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).uniform(-1, 1, (rows, 2))
    return x, np.eye(2)[(np.sum(x**2, axis=1) > 0.5).astype(int)]


def soft(rows: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x, weight = rng.uniform(-1, 1, (rows, 2)), rng.standard_normal((3, classes))
    return x, np.exp(log_softmax(np.pad(x, ((0, 0), (0, 1)), constant_values=1) @ weight, axis=1)), weight


def test_confidences_of_a_softmax_are_fitted_exactly():
    x, target, weight = soft(40)
    (one,) = fit(Substitute(ridge=1e-12), BOX, x, target, [np.arange(40)], [0])
    found = np.concatenate([one.parameters["layers.0.kernel"], one.parameters["layers.0.bias"][None]])
    gauge = found - found.mean(axis=1, keepdims=True)
    assert np.allclose(gauge, weight - weight.mean(axis=1, keepdims=True), atol=1e-5)


def test_a_softmax_on_labels_is_the_optimum_that_scipy_finds():
    x, target, _ = soft(60)
    hard, ridge = np.eye(3)[target.argmax(axis=1)], 1e-2

    def loss(flat):
        weight = flat.reshape(3, 3)
        log_p = log_softmax(x @ weight[:2] + weight[2], axis=1)
        return -np.mean(np.sum(hard * log_p, axis=1)) + 0.5 * ridge * np.sum(weight[:2] ** 2)

    wanted = minimize(loss, np.zeros(9), tol=1e-12).x.reshape(3, 3)
    (one,) = fit(Substitute(ridge=ridge), BOX, x, hard, [np.arange(60)], [0])
    assert np.allclose(one.parameters["layers.0.kernel"], wanted[:2], atol=1e-4)


def test_one_feature_of_two_rows_has_a_closed_form():
    # Two rows with the same feature and targets p: the intercept is ln p_1 / p_0 and no weight is needed.
    with jax.enable_x64(True):
        target = np.array([[0.2, 0.8], [0.2, 0.8]])
        fit = jax.jit(multinomial, static_argnames="passes")
        kernel, bias = map(np.asarray, fit(np.zeros((2, 1)), target, np.ones(2), 1e-6, passes=200))
    assert np.isclose(bias[1] - bias[0], np.log(4))
    assert np.allclose(kernel, 0)


def test_rows_without_weight_change_nothing():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((30, 2)), np.eye(3)[rng.integers(3, size=30)]
    weight = (np.arange(30) < 20).astype(float)
    fit = jax.jit(multinomial, static_argnames="passes")
    with jax.enable_x64(True):
        some, _ = fit(x, target, weight, 1e-2, passes=300)
        all_, _ = fit(x[:20], target[:20], np.ones(20), 1e-2, passes=300)
    assert np.allclose(some, all_, atol=1e-6)


@pytest.mark.parametrize(("architecture", "count"), [("softmax", 5), ("rbf:40", 2), ("mlp:3", 3)])
def test_models_trained_together_are_those_trained_alone(architecture, count):
    x, target = ring(120)
    substitute = Substitute(architecture=architecture, epochs=2)
    rows = [np.arange(45), np.arange(40, 120), np.arange(0, 120, 2), np.arange(75), np.arange(20, 65)][:count]
    seeds = [3, 3, 4, 5, 6][:count]
    together = fit(substitute, BOX, x, target, rows, seeds)
    probe = np.random.default_rng(9).uniform(-1, 1, (300, 2))
    last = rows[-1]
    (alone,) = fit(substitute, BOX, x[last], target[last], [np.arange(len(last))], [seeds[-1]])
    # L-BFGS takes other steps for other roundings, so a convex fit agrees where it is decided.
    assert np.mean(together[-1].answer(probe).label == alone.answer(probe).label) >= 0.98
    assert (together[0].answer(probe).logit != together[1].answer(probe).logit).any()


def test_another_number_of_models_compiles_nothing_anew():
    x, target = ring(80)
    for count in (5, 9):
        events: list[str] = []
        jax.monitoring.register_event_duration_secs_listener(
            lambda event, duration_secs, events=events, **__: events.append(event)
        )
        fit(Substitute(ridge=1e-2), BOX, x, target, [np.arange(80)] * count, [0] * count)
    assert "/jax/core/compile/backend_compile_duration" not in events


def test_training_twice_gives_the_same_bits():
    x, target = ring(80)
    for architecture in ("softmax", "mlp:3"):
        one, two = (
            fit(Substitute(architecture=architecture, epochs=3), BOX, x, target, [np.arange(80)], [1])[0]
            for _ in range(2)
        )
        assert all((one.parameters[name] == two.parameters[name]).all() for name in one.parameters)


def test_a_kernel_learns_what_no_plane_divides():
    x, target = ring(250)
    plane, kernel = (
        fit(Substitute(architecture=name), BOX, x, target, [np.arange(250)], [0])[0] for name in ("softmax", "rbf:40")
    )
    probe, truth = ring(2000, seed=5)
    right = truth.argmax(axis=1)
    assert np.mean(plane.answer(probe).label == right) < 0.75
    assert np.mean(kernel.answer(probe).label == right) > 0.96
    assert kernel.parameters["landmark"].shape == (40, 2)


def test_whitened_features_have_the_kernels_norm():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        landmark, x, weight = rng.standard_normal((6, 2)), rng.standard_normal((9, 2)), rng.standard_normal((6, 3))
        feature, factor = rbf.whiten(jnp.asarray(x), jnp.asarray(landmark), jnp.asarray(0.7))
        coefficient = np.asarray(rbf.coefficients(factor, jnp.asarray(weight)))
        gram = np.exp(-0.7 * ((landmark[:, None] - landmark[None]) ** 2).sum(axis=2))
        seen = np.exp(-0.7 * ((x[:, None] - landmark[None]) ** 2).sum(axis=2))
        assert np.allclose(feature @ weight, seen @ coefficient, atol=1e-8)
        assert np.allclose(np.sum(weight**2), np.sum(coefficient * (gram @ coefficient)), rtol=1e-6)
