"""The certificate of linear models (`jaxattack.metrics.certificate`) beside what its own poison reaches when it is trained on."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.poisoning import Minimax
from jaxattack.audit.findings.poisoning import BoundFindings, BoundPoint
from jaxattack.audit.retraining.crafting import poison_count
from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.audit.retraining.split import Split
from jaxattack.data.sanitise import flat_unit
from jaxattack.metrics.certificate import certify, feasible_set, hinge
from jaxattack.types import Progress

HALVINGS = 20
"""Of the eight decades between the smallest and the largest penalty: to within two millionths of it."""


def bound_findings(audit: PoisonAudit, parts: Split, progress: Progress | None) -> BoundFindings | None:
    """The bound and what is reached at each share of poison, none first; None where there are more than two classes.

    The settings are those of the `Minimax` that is tried, its defaults where none is. The points of the attack are
    used as they are found, also where pixels would be out of range: they are what the bound speaks of.
    """
    if parts.train.classes != 2:
        return None
    attack = next((attack for attack in audit.attacks if isinstance(attack, Minimax)), Minimax())
    x, y = flat_unit(parts.train.x), parts.train.y
    held_out, label = flat_unit(parts.held_out.x), parts.held_out.y
    feasible, points = feasible_set(x, y, attack.inside), []
    shares = [0.0, *sorted({*audit.shares})]
    for done, share in enumerate(shares):
        if progress:
            progress("bounds", done, len(shares))
        # The bound is of the poison that there is, and a share of few records is none exactly.
        count = poison_count(share, len(y)) if share else 0
        certificate = certify(x, y, count / len(y), feasible, norm_squared=attack.norm_squared, steps=attack.steps)
        poison_x, poison_y = certificate.sample(count, audit.seed)
        theta = fit_hinge(np.vstack([x, poison_x]), np.concatenate([y, poison_y]), attack.norm_squared)
        points.append(
            BoundPoint(
                share=share,
                bound=certificate.bound,
                loss=float(hinge(theta, x, y).mean()),
                train_error=error_of(theta, x, y),
                held_out_error=error_of(theta, held_out, label),
            )
        )
    if progress:
        progress("bounds", len(shares), len(shares))
    return BoundFindings(inside=attack.inside, norm_squared=attack.norm_squared, points=tuple(points))


def error_of(
    theta: Float[np.ndarray, "weight"], x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"]
) -> float:
    """The share of records on the wrong side; the boundary is wrong for both classes."""
    return float(((2 * y - 1) * (x @ theta[:-1] + theta[-1]) <= 0).mean())


def fit_hinge(
    x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"], norm_squared: float
) -> Float[np.ndarray, "weight"]:
    """The linear model of least hinge loss whose squared norm, bias included, is at most this.

    A support vector machine penalises the norm; the penalty at which it just keeps within is searched for by halving.
    """
    # They take as long to import as a small audit takes to run.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    def solve(penalty: float) -> np.ndarray:
        machine = LinearSVC(loss="hinge", C=penalty / len(x), tol=1e-5, max_iter=20000, random_state=0)
        with warnings.catch_warnings():
            # At a penalty so small that the search leaves it again; a model within the norm is one, converged or not.
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine.fit(x, y)
        return np.append(machine.coef_, machine.intercept_)

    low, high, best = -4.0, 4.0, np.zeros(x.shape[1] + 1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        theta = solve(10**middle)
        if theta @ theta <= norm_squared:
            low, best = middle, theta
        else:
            high = middle
    return best
