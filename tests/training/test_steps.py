"""Steps along a loss that changes: against optax in a Python loop, and where each step has a formula."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxattack.training.steps import Training, train


def test_parameters_follow_what_each_step_asks_for():
    draws, change = jnp.array([1.0, 3.0, -2.0]), optax.sgd(0.5)

    def loss(p, number):
        return (p - draws[number]) ** 2

    start = Training(jnp.float32(0), change.init(jnp.float32(0)))
    end = train(loss, change, start, 3, weight=lambda number: jnp.where(number >= 1, 1.0, 0.0))
    # A step of half the gradient ends at the draw itself, which is then 2 and 5 from the next.
    assert float(end.parameters) == -2
    assert float(end.loss) == 4 + 25
    parts = train(loss, change, train(loss, change, start, 2), 3, first=2)
    assert float(parts.parameters) == -2
    assert float(parts.loss) == 1 + 4 + 25


def test_steps_are_those_of_a_loop_in_python():
    targets, change = jnp.array([[1.0, 0.0], [0.5, -2.0], [3.0, 1.0], [0.0, 0.0]]), optax.adam(0.1)

    def loss(p, number):
        return ((p["w"] - targets[number]) ** 2).sum()

    start = {"w": jnp.ones(2)}
    found = jax.jit(lambda steps: train(loss, change, Training(start, change.init(start)), steps))(3)
    now, moments = start, change.init(start)
    for number in range(3):
        updates, moments = change.update(jax.grad(loss)(now, number), moments, now)
        now = optax.apply_updates(now, updates)
    np.testing.assert_allclose(found.parameters["w"], now["w"], rtol=1e-6)
