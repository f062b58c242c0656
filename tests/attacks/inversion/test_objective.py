"""Objectives and priors at places where their values are known."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxattack.attacks.inversion import MiFace
from jaxattack.attacks.inversion import objective as formulas
from jaxattack.attacks.inversion.objective import check_statistics
from jaxattack.models import build, from_nnx
from jaxattack.models.layers import batch_norm
from jaxattack.types import InputError, Inputs, WhiteBox

statistics = jax.jit(formulas.statistics, static_argnums=0)  # op by op a residual network compiles for a minute

LOGIT = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
TARGET = np.array([0, 3, 1, 2, 2])


def test_confidence_and_cross_entropy_are_those_of_the_softmax():
    p = np.exp(LOGIT) / np.exp(LOGIT).sum(axis=1, keepdims=True)
    own = p[np.arange(5), TARGET]
    np.testing.assert_allclose(formulas.confidence(LOGIT, TARGET), 1 - own, rtol=1e-5)
    np.testing.assert_allclose(formulas.cross_entropy(LOGIT, TARGET), -np.log(own), rtol=1e-5)


def test_the_margin_is_what_the_target_lacks():
    expected = [np.delete(row, t).max() - row[t] for row, t in zip(LOGIT, TARGET, strict=True)]
    np.testing.assert_allclose(formulas.margin(LOGIT, TARGET), expected, rtol=1e-6)


def test_the_hyperbolic_distance_is_that_of_the_half_circle():
    """Along a diameter the distance from 0 to r is ln((1 + r) / (1 - r))."""
    logit = np.array([[0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]], np.float32)
    at = formulas.poincare(jnp.asarray(logit), jnp.zeros(2, int))
    assert float(at[0]) == pytest.approx(np.log((1 + 0.9999) / (1 - 0.9999)), rel=1e-3)
    assert float(at[1]) < float(at[0])


@pytest.mark.parametrize("name", formulas.OBJECTIVES)
def test_every_objective_falls_as_the_target_rises_and_has_a_gradient(name):
    formula = formulas.objective(name)
    raised = LOGIT + 2 * np.eye(4, dtype=np.float32)[TARGET]
    assert (np.asarray(formula(raised, TARGET)) < np.asarray(formula(LOGIT, TARGET))).all()
    gradient = jax.grad(lambda z: formula(z, TARGET).sum())(jnp.asarray(LOGIT))
    assert np.isfinite(gradient).all()


def test_roughness_is_the_length_of_a_step():
    x = np.zeros((1, 5, 5, 1), np.float32)
    x[:, :, 2:] = 1.0
    assert float(formulas.total_variation(jnp.asarray(x))[0]) == pytest.approx(4 / 16, abs=1e-3)
    assert np.isfinite(jax.grad(lambda x: formulas.total_variation(x).sum())(jnp.zeros((1, 5, 5, 1)))).all()


def test_energy_is_the_squared_distance_from_the_middle():
    np.testing.assert_allclose(formulas.energy(jnp.full((2, 3), 0.75)), 0.0625)


class Small(nnx.Module):
    def __init__(self, norm, rngs):
        self.norm, self.last = norm(4, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.last(self.norm(x))


OURS, FLAXS = (from_nnx(partial(Small, norm)) for norm in (batch_norm, nnx.BatchNorm))


def test_statistics_are_near_where_the_batch_is_like_what_was_learnt():
    learnt = variables = jax.jit(OURS.init)(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (64, 4))
    passed = jax.jit(lambda learnt: OURS.forward(learnt, x, jax.random.key(0))[1])
    for _ in range(200):
        learnt = learnt._replace(rest=passed(learnt))
    near, far = (float(statistics(OURS, learnt, batch)) for batch in (x, 3 * x))
    assert near < 1e-6 < far
    assert float(statistics(OURS, variables, x)) > 1e-6
    assert float(statistics(build("softmax", (4,), 2), _plain(), x)) == 0.0


def _box(model, shape):
    variables = jax.jit(model.init)(jax.random.key(0))
    return WhiteBox(model=model, variables=variables, inputs=Inputs.box(0, 1, shape), classes=2)


def test_statistics_that_give_no_gradient_are_refused():
    check_statistics(_box(OURS, (4,)))
    for model in (FLAXS, build("softmax", (4,), 2)):
        with pytest.raises(InputError, match="no batch statistics that give a gradient"):
            check_statistics(_box(model, (4,)))
        with pytest.raises(InputError, match="no batch statistics that give a gradient"):
            MiFace(statistics=1.0)(_box(model, (4,)), np.array([0]))


def test_statistics_of_a_residual_network_give_a_gradient():
    box = _box(build("resnet9:4", (8, 8, 1), 2), (8, 8, 1))
    slope = jax.jit(jax.grad(partial(formulas.statistics, box.model, box.variables)))(jnp.full((2, 8, 8, 1), 0.3))
    assert jnp.abs(slope).max() > 0


def test_statistics_draw_records_towards_what_was_learnt():
    victim = _box(OURS, (4,))
    with_them, without = (
        MiFace(statistics=weight, restarts=4, steps=30, confidence=1)(victim, np.array([0])).restarts[0]
        for weight in (100.0, 0.0)
    )
    distance = [float(statistics(victim.model, victim.variables, jnp.asarray(x))) for x in (with_them, without)]
    assert distance[0] < 0.9 * distance[1]


def _plain():
    return build("softmax", (4,), 2).init(jax.random.key(0))
