"""The loop around an optax transformation: against the same loop in Python, and where each step has a formula."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxattack.descent import advance, begin, descend

STARTS = np.array([[3.0, -1.0], [0.5, 0.25], [0.0, 0.0], [40.0, 2.0]], np.float32)


def test_a_point_follows_what_each_step_asks_for_and_goes_on_where_it_was():
    draws, change = jnp.array([1.0, 3.0, -2.0]), optax.sgd(0.5)

    def loss(p, number):
        return (p - draws[number]) ** 2

    # A step of half the gradient ends at the draw itself, which is then 2 and 5 from the next.
    end = descend(loss, change, jnp.float32(0), 3)
    assert float(end.point) == -2
    assert float(end.loss) == 1 + 4 + 25
    half = descend(loss, change, jnp.float32(0), 2)
    late = descend(loss, change, half.point, 3, first=2, moments=half.moments)
    assert (float(late.point), float(late.loss)) == (-2, 25)


def test_steps_are_those_of_a_loop_in_python():
    targets, change = jnp.array([[1.0, 0.0], [0.5, -2.0], [3.0, 1.0], [0.0, 0.0]]), optax.adam(0.1)

    def loss(p, number):
        return ((p["w"] - targets[number]) ** 2).sum()

    start = {"w": jnp.ones(2)}
    found = jax.jit(lambda steps: descend(loss, change, start, steps))(3)
    now, moments = start, change.init(start)
    for number in range(3):
        updates, moments = change.update(jax.grad(loss)(now, number), moments, now)
        now = optax.apply_updates(now, updates)
    np.testing.assert_allclose(found.point["w"], now["w"], rtol=1e-6)


def test_a_point_stays_where_its_projection_puts_it_after_each_step():
    # Half the way to 6 goes beyond 2 each time, where it begins again.
    end = descend(lambda p, _: (p - 6) ** 2, optax.sgd(0.25), jnp.float32(0), 3, process=lambda p: jnp.minimum(p, 2.0))
    assert (float(end.point), float(end.loss)) == (2, 36 + 16 + 16)


@pytest.mark.parametrize("kind", ["bfloat16", "float64"])
def test_a_loss_of_any_precision_is_followed(kind):
    with jax.enable_x64(True):
        end = descend(lambda p, _: p**2, optax.sgd(0.25), jnp.ones((), kind), 2)
    assert (float(end.point), float(end.loss), end.point.dtype) == (0.25, 1.25, kind)


def cost(point):
    return (point**2).sum(axis=1) + jnp.sin(3 * point[:, 0])


def naive(change, start, steps, enough, patience):
    """One lane, a Python loop."""
    point, moments, best, least, at, steps_taken = start, change.init(start), start, np.inf, 0, 0
    for step in range(steps):
        steps_taken += 1
        value, gradient = jax.value_and_grad(lambda x: cost(x[None])[0])(point)
        value = float(value)
        if value < least:
            best, least, at = point, value, step
        if not np.isfinite(value) or value <= enough or step - at >= patience:
            break
        updates, moments = change.update(gradient, moments, point)
        point = jnp.clip(optax.apply_updates(point, updates), -5, 5)
    return best, least, steps_taken


@settings(max_examples=6, deadline=None)
@given(st.sampled_from([optax.sgd(0.3), optax.adam(0.1)]), st.integers(1, 6))
def test_lanes_move_and_stop_as_each_would_alone(change, patience):
    rule = {"enough": 0.3, "patience": patience}
    lanes = advance(cost, change, begin(change, STARTS), until=25, process=lambda x: jnp.clip(x, -5, 5), **rule)
    for place, start in enumerate(STARTS):
        best, least, steps = naive(change, jnp.asarray(start), 25, 0.3, patience)
        np.testing.assert_allclose(lanes.best[place], best, atol=1e-5)
        np.testing.assert_allclose(lanes.cost[place], least, rtol=1e-5)
        assert lanes.steps[place] == steps


def test_gradient_steps_on_squares_shrink_the_point_by_one_factor():
    change = optax.sgd(0.1)
    squares = lambda point: (point**2).sum(axis=1)  # noqa: E731
    lanes = advance(squares, change, begin(change, STARTS), until=7, enough=-1.0, patience=99)
    np.testing.assert_allclose(lanes.point, STARTS * 0.8**7, rtol=1e-5)
    half = advance(squares, change, begin(change, STARTS), until=3, enough=-1.0, patience=99)
    again = advance(squares, change, half, until=7, enough=-1.0, patience=99)
    np.testing.assert_array_equal(again.point, lanes.point)


def test_a_lane_that_is_no_number_stops_and_leaves_the_others():
    change = optax.sgd(0.1)
    start = np.array([[np.nan, 0.0], [1.0, 0.0]], np.float32)
    lanes = advance(cost, change, begin(change, start), until=5, enough=-9.0, patience=99)
    assert lanes.steps.tolist() == [1, 5]
    assert np.isinf(lanes.cost[0])
    assert np.isfinite(lanes.cost[1])
