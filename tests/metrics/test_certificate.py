"""The certificate against a search over points, against poison that is trained on, and at its ends."""

import numpy as np
import pytest
from scipy.optimize import minimize

from jaxattack.metrics.certificate import certify, feasible_set, hinge, worst_point


def two_classes(records=200, features=5, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(records) % 2
    return rng.normal(size=(records, features)) / 3 + 0.5 * np.where(y[:, None], 1, -1) * np.eye(features)[0], y


def inside(point, feasible, label, slack=1e-7):
    offset = point - feasible.centre[label]
    return (
        np.linalg.norm(offset) <= feasible.radius[label] + slack
        and abs(offset @ feasible.direction) <= feasible.width[label] + slack
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_worst_point_is_feasible_and_no_search_finds_a_worse_one(seed):
    x, y = two_classes(seed=seed)
    feasible = feasible_set(x, y)
    weight = np.random.default_rng(seed + 10).normal(size=5)
    for label in (0, 1):
        point, sign = worst_point(weight, feasible, label), 2 * label - 1
        assert inside(point, feasible, label)
        centre = feasible.centre[label]
        constraints = [
            {"type": "ineq", "fun": lambda z, label=label: feasible.radius[label] ** 2 - z @ z},
            {"type": "ineq", "fun": lambda z, label=label: feasible.width[label] - z @ feasible.direction},
            {"type": "ineq", "fun": lambda z, label=label: feasible.width[label] + z @ feasible.direction},
        ]
        search = minimize(lambda z, sign=sign: sign * weight @ z, np.zeros(5), constraints=constraints, method="SLSQP")
        np.testing.assert_allclose(sign * weight @ (point - centre), search.fun, atol=1e-5)


def test_feasible_sets_hold_their_share_of_the_clean_records():
    x, y = two_classes()
    feasible = feasible_set(x, y, 0.7)
    for label in (0, 1):
        offset = x[y == label] - feasible.centre[label]
        assert abs((np.linalg.norm(offset, axis=1) <= feasible.radius[label]).mean() - 0.7) < 0.02
        assert abs((np.abs(offset @ feasible.direction) <= feasible.width[label]).mean() - 0.7) < 0.02


def test_the_bound_holds_for_its_own_poison_and_for_random_feasible_poison_and_nearly_meets_it():
    x, y = two_classes()
    feasible, share, norm_squared = feasible_set(x, y), 0.1, 4.0
    certificate = certify(x, y, share, feasible, norm_squared=norm_squared, steps=1500)
    assert certificate.theta @ certificate.theta <= norm_squared * (1 + 1e-9)
    assert all(inside(p, feasible, c) for p, c in zip(certificate.points, certificate.label, strict=True))
    rng = np.random.default_rng(1)

    def smallest_loss(points, label):
        """By descent: the least mean loss, of clean records and poison, that a model of that norm can have."""
        every_x, every_y = np.vstack([x, points]), np.concatenate([y, label])
        design, sign = np.hstack([every_x, np.ones((len(every_x), 1))]), 2 * every_y - 1
        # A linear program in disguise: epigraph of the hinge, solved by a smooth method on theta alone is not exact, so
        # projected subgradient steps with averaging are run long.
        theta, mean, least = np.zeros(design.shape[1]), np.zeros(design.shape[1]), np.inf
        for step in range(1, 6001):
            theta = theta + 2.0 / np.sqrt(step) * design.T @ (sign * (sign * (design @ theta) < 1)) / len(x)
            theta *= min(1, np.sqrt(norm_squared) / np.linalg.norm(theta))
            mean += (theta - mean) / step
            least = min(
                least, hinge(theta, every_x, every_y).sum() / len(x), hinge(mean, every_x, every_y).sum() / len(x)
            )
        return least

    reached = smallest_loss(*certificate.sample(20, 0))
    assert reached <= certificate.bound + 1e-9
    assert certificate.bound - reached < 0.15 * certificate.bound
    directions = rng.normal(size=(20, 5))
    label = rng.integers(0, 2, 20)
    anywhere = np.stack([worst_point(w, feasible, c) for w, c in zip(directions, label, strict=True)])
    assert smallest_loss(anywhere, label) <= certificate.bound


def test_without_poison_the_bound_is_the_least_clean_loss_and_more_poison_never_lowers_it():
    x, y = two_classes()
    feasible = feasible_set(x, y)
    bounds = [certify(x, y, share, feasible, norm_squared=4.0, steps=800).bound for share in (0.0, 0.03, 0.1, 0.3)]
    assert bounds == sorted(bounds)
    theta = certify(x, y, 0.0, feasible, norm_squared=4.0, steps=800).theta
    np.testing.assert_allclose(hinge(theta, x, y).mean(), bounds[0])
