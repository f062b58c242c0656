"""How much poison can hurt a linear model behind a filter, at most (Steinhardt, Koh and Liang 2017, arXiv 1706.03691).

A linear model of two classes, theta with its bias, |theta|^2 <= rho^2, minimises hinge loss on n clean records and share n of
poison that lies in a feasible set F: within sphere and slab about the clean means. Its mean loss on the clean records is then at most

    max_{D_p in F} min_theta L(theta; D_c and D_p) / n  <=  min_theta U(theta),
    U(theta) = L(theta; D_c) / n + share max_{(x, y) in F} hinge(theta; x, y)

so that U at any theta is a bound, and the clean error is below the clean hinge loss. Their algorithm 1 walks towards the
smallest one by regularised dual averaging and puts the worst point at each step into the poison: what it ends with is an attack
and a bound that meet as the steps grow. The worst point has a closed form. With w = theta's weights, v the slab's direction
and x = mu + a v + u, u at right angles to v, the smallest y <w, x> in the sphere of radius r and the slab of half width s
has a = clip(-y <w, v> r / |w|, -s, s) and u against the rest of y w, of length sqrt(r^2 - a^2).

The bound holds for a filter whose means and radii are the clean ones, and on the records it was computed on; pixels' range is
not part of F, which makes F larger and the bound looser, not wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxattack.types import InputError, at_least

RATE = 0.1
"""Of the first steps of the dual averaging: the authors' code on MNIST."""


class Feasible(NamedTuple):
    """Where poison of each of two classes may lie.

    Attributes:
        centre: Float["cls feature"], the means.
        direction: Float["feature"], from the second mean to the first, of length 1.
        radius: Float["cls"], of the spheres.
        width: Float["cls"], half of the slabs.
    """

    centre: np.ndarray
    direction: np.ndarray
    radius: np.ndarray
    width: np.ndarray


def feasible_set(x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"], inside: float = 0.7) -> Feasible:
    """Sphere and slab about the means of clean records, each with this share of its class inside; 0.7 is the authors'."""
    centre = np.stack([x[y == label].mean(axis=0) for label in (0, 1)])
    direction = centre[0] - centre[1]
    direction = direction / max(np.linalg.norm(direction), 1e-12)
    radius, width = np.zeros(2), np.zeros(2)
    for label in (0, 1):
        offset = x[y == label] - centre[label]
        radius[label] = np.quantile(np.linalg.norm(offset, axis=1), inside)
        width[label] = np.quantile(np.abs(offset @ direction), inside)
    return Feasible(centre, direction, radius, width)


def worst_point(weight: Float[np.ndarray, "feature"], feasible: Feasible, label: int) -> Float[np.ndarray, "feature"]:
    """The point of a class's feasible set with the smallest margin, in the closed form of the module.

    Args:
        weight: of the linear model, positive for class 1.
        feasible: where points may lie.
        label: 0 or 1.
    """
    sign = 2 * label - 1
    radius, width = feasible.radius[label], feasible.width[label]
    along = weight @ feasible.direction
    rest = weight - along * feasible.direction
    norm, rest_norm = np.linalg.norm(weight), np.linalg.norm(rest)
    if norm == 0:
        return feasible.centre[label].copy()
    limit = min(width, radius)
    step = np.clip(-sign * along * radius / norm, -limit, limit)
    point = feasible.centre[label] + step * feasible.direction
    return point if rest_norm == 0 else point - sign * np.sqrt(max(radius**2 - step**2, 0)) * rest / rest_norm


def hinge(
    theta: Float[np.ndarray, "weight"], x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"]
) -> Float[np.ndarray, "record"]:
    """max(0, 1 - margin) of each record; the bias is the last of theta's numbers."""
    return np.maximum(0, 1 - (2 * y - 1) * (x @ theta[:-1] + theta[-1]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Certificate:
    """A bound, and the poison that the search for it leaves.

    Attributes:
        share: of poison, of the number of clean records.
        bound: on the mean hinge loss of the clean records, hence on their error.
        theta: where the bound was found; the bias last.
        points: the worst point of each step.
        label: its class.
    """

    share: float
    bound: float
    theta: Float[np.ndarray, "weight"]
    points: Float[np.ndarray, "step feature"]
    label: Int[np.ndarray, "step"]

    def sample(self, count: int, seed: int) -> tuple[Float[np.ndarray, "poison feature"], Int[np.ndarray, "poison"]]:
        """So many of the points at random, each once while there are enough."""
        order = np.random.default_rng(seed).permutation(len(self.label))
        rows = np.resize(order, count)
        return self.points[rows], self.label[rows]


def certify(
    x: Float[np.ndarray, "record feature"],
    y: Int[np.ndarray, "record"],
    share: float,
    feasible: Feasible,
    *,
    norm_squared: float,
    steps: int = 2000,
) -> Certificate:
    """The smallest bound that so many steps find.

    Args:
        x: the clean training records.
        y: their labels, 0 and 1.
        share: of poison, of the number of clean records, at least 0.
        feasible: where poison may lie.
        norm_squared: of theta with its bias, at most.
        steps: of dual averaging.

    Raises:
        InputError: no steps, or a negative share.
    """
    at_least(1, steps=steps)
    if not 0 <= share < np.inf:
        raise InputError(f"share is {share}: give the share of poison, from 0.")
    sign, design = 2.0 * y - 1, np.hstack([x, np.ones((len(x), 1))])
    theta, total, damping = np.zeros(design.shape[1]), np.zeros(design.shape[1]), 1 / RATE
    best, best_theta = np.inf, theta
    points, labels = np.empty((steps, x.shape[1])), np.empty(steps, int)
    for step in range(steps):
        margin = sign * (design @ theta)
        candidates = [worst_point(theta[:-1], feasible, label) for label in (0, 1)]
        losses = [1 - (2 * label - 1) * (candidates[label] @ theta[:-1] + theta[-1]) for label in (0, 1)]
        label = int(np.argmax(losses))
        points[step], labels[step] = candidates[label], label
        value = np.maximum(0, 1 - margin).mean() + share * max(losses[label], 0)
        if value < best:
            best, best_theta = value, theta
        ascent = design.T @ (sign * (margin < 1)) / len(x)
        if losses[label] > 0:
            ascent = ascent + share * (2 * label - 1) * np.append(candidates[label], 1)
        total = total + ascent
        damping = max(damping, np.linalg.norm(total) / np.sqrt(norm_squared))
        theta = total / damping
    return Certificate(share=share, bound=float(best), theta=best_theta, points=points, label=labels)
