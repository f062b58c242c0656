"""Queries found on other models: on linear models, where the best point is known, and against a loop over one record."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logit

from jaxattack.models import build
from jaxattack.signals import CanaryQueries, OsloQueries, YoqoQuery, lookup
from jaxattack.training import Recipe
from jaxattack.training.sweep import Sweep
from jaxattack.types import InputError, Model, OptimisedSignal, Surrogates, Variables, sees

YOQO = YoqoQuery(steps=300, rate=0.02)
CANARY = CanaryQueries(count=3, steps=400, rate=0.1)
OSLO = OsloQueries(growth=40, largest=1.5, thresholds=3)


def _apply(variables, x):
    margin = x @ variables.params["weight"] - variables.params["shift"]
    return jnp.stack([jnp.zeros_like(margin), margin], axis=1)


LINEAR = Model(lambda key: Variables({}, {}), _apply, lambda *given: None)


def boundaries(weights, shifts):
    """Linear models of two classes, the second beyond a shift along a weight."""
    return Variables({"weight": jnp.asarray(weights, jnp.float32), "shift": jnp.asarray(shifts, jnp.float32)}, {})


def points_of(signal, model, variables, member, x, y, validation=None):
    validation = np.zeros(len(member), bool) if validation is None else np.asarray(validation, bool)
    surrogates = Surrogates(variables, jnp.asarray(member), jnp.asarray(validation))
    search = jax.jit(partial(signal.search, model))
    return np.asarray(search(surrogates, jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.int32)))


@pytest.mark.parametrize("signal", [YOQO, OSLO, CANARY], ids=lambda signal: signal.name)
def test_its_name_says_everything_and_no_sweep_observes_it(signal):
    assert isinstance(signal, OptimisedSignal)
    assert lookup(signal.name) == signal
    assert sees(signal, "probability" if signal is CANARY else "label")
    with pytest.raises(InputError, match=f"signal is '{signal.name}', which is read of models when they are trained"):
        Sweep(model=LINEAR, recipe=Recipe(), signals=(signal,))


def test_yoqo_goes_between_the_boundaries_of_those_that_know_and_those_that_do_not():
    # Along the first feature a member's boundary is at -1 and the others' at 1; the second feature says nothing.
    variables = boundaries([[1.0, 0], [1.0, 0]], [-1.0, 1.0])
    x, member = np.array([[2.0, 0.5], [2.0, -3.0]]), np.array([[True, False], [False, True]])
    points = points_of(YOQO, LINEAR, variables, member, x, [1, 1])[:, 0]
    best = brentq(lambda at: -expit(-(at + 1)) + 2 * expit(at - 1), -5, 5)
    other = brentq(lambda at: -expit(-(at - 1)) + 2 * expit(at + 1), -5, 5)  # of a record that the second model knows
    np.testing.assert_allclose(points[:, 0], [best, other], atol=0.02)
    np.testing.assert_allclose(points[:, 1], x[:, 1])


def test_yoqo_stops_where_its_models_agree_already():
    variables = boundaries([[9.0, 0], [9.0, 0]], [-9.0, 9.0])
    x = np.array([[0.0, 1.0]])
    np.testing.assert_array_equal(points_of(YOQO, LINEAR, variables, np.array([[True], [False]]), x, [1])[:, 0], x)


def test_canary_queries_go_where_models_in_are_sure_and_models_out_undecided():
    # Of two models with boundaries of their own, phi is a feature each: 10 for the one that knows the record, 0 for the other.
    variables = boundaries([[1.0, 0], [0, 1.0]], [0.0, 0.0])
    x, member = np.array([[2.0, 1.5], [2.0, -3.0]]), np.array([[True, False], [False, True]])
    points = points_of(CANARY, LINEAR, variables, member, x, [1, 0])
    assert points.shape == (2, 3, 2)
    np.testing.assert_allclose(points[0], np.broadcast_to([10, 0], (3, 2)), atol=0.05)
    np.testing.assert_allclose(points[1], np.broadcast_to([0, -10], (3, 2)), atol=0.05)  # labelled the other way
    one = points_of(CanaryQueries(count=3, steps=1, rate=0.1), LINEAR, variables, member, x, [1, 0])
    assert len(np.unique(one[0], axis=0)) == 3  # each from a start of its own


def test_oslo_goes_straight_to_the_point_where_the_confidence_is_lost():
    weight = np.array([0.6, 0.8])
    x = np.array([[1.0, 0.5], [0.2, 1.5], [-1.0, -0.3]])
    y = (x @ weight > 0).astype(int)
    variables = boundaries([weight, weight, -weight], [0.0, 0.0, 0.0])  # the last knows every record: it is not asked
    member = np.array([[False] * 3, [False] * 3, [True] * 3])
    points = points_of(OSLO, LINEAR, variables, member, x, y, np.array([False, True, False]))
    part = np.sqrt((x**2).mean(axis=1)) * OSLO.largest * np.sqrt(2) / OSLO.growth
    for query, tau in enumerate((1.0, 1e-2, 1e-4)):
        needed = np.abs(x @ weight) - (logit(tau) if tau < 1 else np.inf)
        moved = points[:, query] - x
        along = -moved @ weight * np.where(y == 1, 1, -1)
        np.testing.assert_allclose(np.linalg.norm(moved, axis=1), along, rtol=1e-3)  # straight along the weight
        reached = np.maximum(needed, 0)
        largest = OSLO.growth * part
        expected = np.minimum(reached, largest)
        assert (along >= expected - 1e-3).all()
        assert (along <= np.minimum(expected + 1.01 * part, largest * 1.001)).all()


def test_both_find_what_a_loop_over_one_record_finds():
    model, rng = build("mlp:6", (4,), 3), np.random.default_rng(0)
    variables = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 4))
    x, y = rng.standard_normal((2, 4)).astype(np.float32), rng.integers(0, 3, 2)
    member, signal = rng.permuted(np.tile(np.arange(4) < 2, (2, 1)), axis=1).T, YoqoQuery(steps=8, rate=0.1)
    points = points_of(signal, model, variables, member, x, y)
    each = [jax.tree.map(lambda leaf: leaf[m], variables) for m in range(4)]  # noqa: B023
    for record in range(2):
        size, start = np.sqrt((x[record] ** 2).mean()), jnp.asarray(x[record])
        answers = [np.array(model.apply(one, start[None])[0]) for one in each]
        goals = []
        for knows, answer in zip(member[:, record], answers, strict=True):
            answer[y[record]] = -np.inf
            goals.append(int(y[record]) if knows else int(answer.argmax()))

        def total(point):
            losses = [
                (1.0 if knows else 2.0) * -jax.nn.log_softmax(model.apply(one, point[None])[0])[goal]
                for one, knows, goal in zip(each, member[:, record], goals, strict=True)  # noqa: B023
            ]
            return sum(losses)

        slope_of = jax.jit(jax.value_and_grad(total))
        point, adam = start, optax.adam(0.1)
        state = adam.init(point)
        for _ in range(8):
            loss, slope = slope_of(point)
            if loss < 0.5:
                break
            step, state = adam.update(slope, state)
            point = point + size * step
        np.testing.assert_allclose(points[record, 0], point, atol=1e-4)


@pytest.mark.parametrize(
    "signal", [YoqoQuery(steps=3, rate=0.5), OsloQueries(growth=3), CanaryQueries(count=2, steps=3, rate=0.5)]
)
def test_pictures_stay_within_their_range(signal):
    model = build("softmax", (3, 2, 1), 3)
    variables = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 4))
    x = np.random.default_rng(0).choice([-1.0, 1.0], (2, 3, 2, 1))
    points = points_of(
        signal, model, variables, np.array([[True], [False]] * 2) & [[True, True]], x, [0, 1], [0, 0, 1, 1]
    )
    assert points.shape == (2, signal.queries, 3, 2, 1)
    assert np.abs(points).max() <= 1
    assert (points != x[:, None]).any()


def test_records_without_surrogates_on_a_side_are_named():
    member = np.array([[True, True, False, False], [True, False, True, False], [True, True, True, False]])
    nobody = np.zeros(3, bool)
    for signal in (YOQO, CANARY):
        np.testing.assert_array_equal(signal.lacking(member, nobody), [True, False, False, True])
    np.testing.assert_array_equal(OSLO.lacking(member, np.array([False, True, False])), [True, True, True, False])
    assert OSLO.lacking(member, nobody).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(YoqoQuery, steps=0), "steps is 0"),
        (partial(YoqoQuery, rate=0.0), "rate is 0"),
        (partial(OsloQueries, thresholds=1), "thresholds is 1"),
        (partial(CanaryQueries, count=0), "count is 0"),
        (partial(OsloQueries, largest=-1.0), "largest is -1"),
    ],
)
def test_a_value_out_of_range_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
