"""Many starts, then Levenberg-Marquardt: against linear least squares, and on a network whose weights are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares as scipy_least_squares

from jaxattack.attacks.extraction.equations.families import network_logits, score_residual, softmax_logits
from jaxattack.attacks.search import least_squares
from jaxattack.attacks.search.least_squares import (
    Data,
    Linearised,
    descend,
    fit,
    levenberg_marquardt,
    polish,
)


def _network(rng, features=3, hidden=2, classes=2, lead=()):
    return {
        "weight0": rng.normal(size=(*lead, hidden, features)),
        "bias0": rng.normal(size=(*lead, hidden)),
        "weight1": rng.normal(size=(*lead, classes, hidden)),
        "bias1": rng.normal(size=(*lead, classes)),
    }


def _exact(rng, queries=60):
    """Equations that a network answers, and the network."""
    truth, x = _network(rng), rng.normal(size=(queries, 3))
    target = np.tanh(x @ truth["weight0"].T + truth["bias0"]) @ truth["weight1"].T + truth["bias1"]
    return truth, Data(x, target, np.ones(queries))


LOGITS = score_residual(network_logits("tanh"), "logit", 2)


def _rosenbrock():
    """r = (10 (b - a^2), 1 - a), least at (1, 1), where it is 0."""

    def residual(theta):
        return np.array([10 * (theta[1] - theta[0] ** 2), 1 - theta[0]])

    def jacobian(theta):
        return np.array([[-20 * theta[0], 10.0], [-1.0, 0.0]])

    return residual, jacobian


def _run(residual, jacobian, start, **options):
    def linearise(theta):
        r, j = residual(theta), jacobian(theta)
        return Linearised(j.T @ j, j.T @ r, float(r @ r))

    end = levenberg_marquardt(linearise, lambda theta: float(residual(theta) @ residual(theta)), start, **options)
    return end.theta


def test_levenberg_marquardt_ends_where_scipys_does():
    residual, jacobian = _rosenbrock()
    start = np.array([-1.2, 1.0])
    found = _run(residual, jacobian, start, steps=200)
    naive = scipy_least_squares(residual, start, jacobian, method="lm")
    np.testing.assert_allclose(found, naive.x, atol=1e-9)
    np.testing.assert_allclose(found, [1, 1], atol=1e-9)


def test_one_undamped_step_solves_a_linear_problem_and_a_perfect_fit_takes_none():
    rng = np.random.default_rng(0)
    matrix, truth = rng.normal(size=(9, 4)), rng.normal(size=4)
    target = matrix @ truth
    parts = lambda theta: matrix @ theta - target, lambda _: matrix
    once = _run(*parts, np.zeros(4), damping=0.0, steps=1)
    np.testing.assert_allclose(once, truth, atol=1e-12)
    assert (_run(*parts, truth, enough=1e-20) == truth).all()


def test_a_direction_on_which_nothing_depends_stays_and_what_is_no_number_moves_nothing():
    found = _run(lambda theta: theta[:1] - 3, lambda _: np.array([[1.0, 0.0]]), np.array([0.0, 7.0]))
    np.testing.assert_allclose(found, [3, 7], atol=1e-9)
    assert (_run(lambda theta: 1 + 0 * theta, lambda _: np.eye(2), np.ones(2), damping=0.0) == 1).all()
    assert (_run(lambda theta: theta * np.nan, lambda _: np.eye(2), np.ones(2)) == 1).all()


def test_a_linear_model_is_polished_to_weighted_linear_least_squares():
    rng = np.random.default_rng(0)
    x, target, weight = rng.normal(size=(30, 4)), rng.normal(size=(30, 3)), rng.uniform(0.5, 2, 30)
    residual = score_residual(softmax_logits, "logit", 3)
    found = polish(residual, {"weight": np.zeros((4, 3)), "bias": np.zeros(3)}, Data(x, target, weight), tolerance=0)
    columns = np.concatenate([x, np.ones((30, 1))], axis=1) * weight[:, None]
    naive = np.linalg.lstsq(columns, target * weight[:, None], rcond=None)[0]
    np.testing.assert_allclose(np.vstack([found.parameters["weight"], found.parameters["bias"]]), naive, atol=1e-7)
    assert found.rms == pytest.approx(np.sqrt(np.mean((columns @ naive - target * weight[:, None]) ** 2)))


def test_a_near_start_converges_to_rounding_and_faster_with_little_damping():
    rng = np.random.default_rng(1)
    truth, data = _exact(rng)
    start = {name: value + 1e-4 * rng.normal(size=value.shape) for name, value in truth.items()}
    slow, fast = (polish(LOGITS, start, data, tolerance=1e-13, steps=3, damping=damping) for damping in (1e-1, 1e-9))
    assert fast.rms < 1e-13 < slow.rms
    np.testing.assert_allclose(fast.parameters["weight0"], truth["weight0"], atol=1e-9)


def test_nothing_is_done_where_the_start_fits_or_no_step_is_left():
    truth, data = _exact(np.random.default_rng(2))
    other = _network(np.random.default_rng(9))
    for start, steps in ((truth, 60), (other, 0)):
        end = polish(LOGITS, start, data, tolerance=1e-9, steps=steps)
        assert all((end.parameters[name] == value).all() for name, value in start.items())


def test_blocks_of_the_jacobian_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    _, data = _exact(rng, 61)
    start = _network(rng)
    whole = polish(LOGITS, start, data, tolerance=0, steps=2)
    monkeypatch.setattr(least_squares, "BLOCK", 200)
    parts = polish(LOGITS, start, data, tolerance=0, steps=2)
    assert parts.rms == pytest.approx(whole.rms, rel=1e-9)


def test_descent_orders_starts_by_their_residual_and_worsens_none(monkeypatch):
    monkeypatch.setattr(least_squares, "DESCENT", 200)
    rng = np.random.default_rng(4)
    _, data = _exact(rng)
    starts = _network(rng, lead=(5,))

    def squares(p):
        return np.mean((np.tanh(data.x @ p["weight0"].T + p["bias0"]) @ p["weight1"].T + p["bias1"] - data.target) ** 2)

    found = descend(LOGITS, starts, data, tolerance=0)
    after = [squares(p) for p in found]
    before = [squares({name: value[at] for name, value in starts.items()}) for at in range(5)]
    assert len(found) == 5
    assert after == sorted(after)
    assert max(after) <= max(before)
    assert min(after) < 0.5 * min(before)


def test_many_starts_find_a_network_exactly(monkeypatch):
    monkeypatch.setattr(least_squares, "DESCENT", 300)
    rng = np.random.default_rng(5)
    _, data = _exact(rng)
    told = []
    best = fit(LOGITS, _network(rng, lead=(8,)), data, tolerance=1e-12, progress=lambda *a: told.append(a))
    assert best.rms < 1e-12
    assert [stage for stage, *_ in told[:2]] == ["descend from many starts", "polish"]
