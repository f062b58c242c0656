"""One hidden layer of smooth units, solved from its derivatives by linear algebra; no local minima.

The equations of f(x) = sum_j a_j act(w_j.x + b_j) + c have, at any x,

    gradient_k = sum_j a_jk act'(z_j) w_j,        Hessian_k = sum_j a_jk act''(z_j) w_j w_j^T.

1. Gradients by forward differences at a few points span the weights: their rank is the number of hidden units h.
2. In that subspace (h numbers, not d) the Hessians at one point or a few, from h (h + 3) / 2 queries each, are all
   diagonal in the basis dual to the weights: the eigenvectors of M_1 M_2^-1, for two random mixtures M, are the w_j up to
   scale (Jennrich's algorithm).
3. The coefficients a_jk act'(z_j) and a_jk act''(z_j) then tell the scale of w_j, b_j and a_j of each unit by itself: a
   search in two unknowns.

With k equations a query this takes (h / k + 1) (d + 1) + h (h + 3) / 2 queries, so h < d is needed. What is found is a
start for least squares; coarse answers (float32) are asked for to both sides, twice the queries, and show fewer digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.special import expit

Ask = Callable[[Float[np.ndarray, "query feature"]], Float[np.ndarray, "query equation"]]
"""Queries in -1..1 -> the equations."""

GAP = 30.0
"""How far singular values fall where the span of the weights ends, and by how much the error of differences may be exceeded. Of 56 networks
(6-3-3 to 20-8-2, tanh and sigmoid, six of float32) 53 are complete; of the first 28 26, with a third and thrice too."""

SCALES, SHIFTS = np.meshgrid(np.geomspace(0.03, 30, 60), np.linspace(-6, 6, 121), indexing="ij")
"""Where the search for a unit starts: of shorter weights tanh is off a line by .77 |w|^2 / 2 = 3e-4 at a distance of 1, longer ones are steps of
a thirtieth of that, and beyond 6 tanh' is below 3e-5. Of 36 layers behind noise of 1e-8 and 1e-7 26 are near, with half of either 25."""


class Hidden(NamedTuple):
    """The hidden layer and what reads it, in the coordinates of the queries."""

    weight: Float[np.ndarray, "neuron feature"]
    bias: Float[np.ndarray, "neuron"]
    output: Float[np.ndarray, "equation neuron"]
    offset: Float[np.ndarray, "equation"]


class Points(NamedTuple):
    """Where derivatives are taken: queries further than two steps within -1..1, their equations, and the gradients."""

    x: Float[np.ndarray, "point feature"]
    y: Float[np.ndarray, "point equation"]
    gradient: Float[np.ndarray, "point feature equation"]


class Steps(NamedTuple):
    """How far apart queries of first and second differences are, whether to both sides, and how far off the first are."""

    central: bool
    first: float
    second: float
    error: float

    @classmethod
    def of(cls, noise: float, coarse: bool) -> Steps:
        """At which the errors of differences and of rounding, the noise of an equation, are least together, at derivatives of 1.

        To both sides h^2 / 6 + noise / h and h^2 / 12 + 4 noise / h^2, to one h / 2 + 2 noise / h and h + 4 noise / h^2.
        """
        if coarse:
            first = (3 * noise) ** (1 / 3)
            return cls(True, first, (48 * noise) ** 0.25, first**2)
        first = 2 * noise**0.5
        return cls(False, first, (8 * noise) ** (1 / 3), first)


def derivatives(activation: str, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """act(z), act'(z) and act''(z) of tanh or sigmoid."""
    if activation == "tanh":
        t = np.tanh(z)
        return t, 1 - t**2, -2 * t * (1 - t**2)
    s = expit(z)
    return s, s * (1 - s), s * (1 - s) * (1 - 2 * s)


def fewest(features: int, equations: int, hidden: int, coarse: bool) -> int:
    """Queries that `hidden_layer` asks at least."""
    points, sides = hidden // equations + 1, 2 if coarse else 1
    return points + sides * (points * features + hidden * (hidden + 3) // 2)


def gradients(
    ask: Ask, draw: Callable[[int], tuple[np.ndarray, np.ndarray]], steps: Steps, hidden: int | None
) -> tuple[Points, Float[np.ndarray, "feature neuron"] | None]:
    """Gradients at as many points as show the rank of their span, and an orthonormal basis of it: that of the weights.

    The basis is None where the span is the whole space, or answers are no equations. ``draw`` makes so many points, with the
    equations there; ``hidden`` is how many units there are, None to find out.
    """

    def points(count: int) -> Points:
        x, y = draw(count)
        change = _change(ask, x, y, steps.first * np.eye(x.shape[1]), steps)
        return Points(x, y, change / steps.first)

    at = points(1)
    features, equations = at.gradient.shape[1:]
    while hidden is not None or _span(at.gradient, steps.error, None) is None:
        short = 1 if hidden is None else hidden // equations + 1 - len(at.x)
        if short <= 0 or len(at.x) * equations >= features + equations or not np.isfinite(at.gradient).all():
            break
        at = Points(*map(np.concatenate, zip(at, points(short), strict=True)))
    return at, _span(at.gradient, steps.error, hidden)


def hidden_layer(
    ask: Ask,
    at: Points,
    basis: Float[np.ndarray, "feature neuron"],
    steps: Steps,
    activation: str,
    rng: np.random.Generator,
) -> Hidden | None:
    """The hidden layer behind an oracle, by Hessians in the span of its weights; None where they do not show one."""
    hessians, directions = [], None
    for x, y in zip(at.x, at.y, strict=True):
        hessians.append(_hessian(ask, x, y, steps, basis))
        directions = _directions(np.concatenate(hessians), rng)
        if directions is not None:
            break
    return None if directions is None else _assemble(at, basis, hessians, directions, activation)


def _change(
    ask: Ask, x: np.ndarray, y: np.ndarray, displacement: Float[np.ndarray, "step feature"], steps: Steps
) -> Float[np.ndarray, "point step equation"]:
    """f(x + v) - f(x), or (f(x + v) - f(x - v)) / 2."""

    def moved(sign: int) -> np.ndarray:
        return ask((x[:, None] + sign * displacement).reshape(-1, x.shape[1])).reshape(len(x), len(displacement), -1)

    return (moved(1) - moved(-1)) / 2 if steps.central else moved(1) - y[:, None]


def _span(
    gradient: Float[np.ndarray, "point feature equation"], error: float, hidden: int | None
) -> Float[np.ndarray, "feature neuron"] | None:
    """An orthonormal basis of what gradients span, up to a gap to singular values that the error of differences explains."""
    if not np.isfinite(gradient).all():
        return None
    columns = gradient.transpose(1, 0, 2).reshape(gradient.shape[1], -1)
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    if hidden is None:
        with np.errstate(over="ignore"):  # a gap to 0 is one of any size
            gaps = values[:-1] / np.maximum(values[1:], np.finfo(float).tiny) * (values[1:] < GAP * error)
        hidden = int(gaps.argmax()) + 1 if len(gaps) and gaps.max() >= GAP else len(values)
    return left[:, :hidden] if hidden < len(values) else None


def _hessian(
    ask: Ask,
    x: Float[np.ndarray, "feature"],
    y: Float[np.ndarray, "equation"],
    steps: Steps,
    basis: Float[np.ndarray, "feature neuron"],
) -> Float[np.ndarray, "equation neuron neuron"]:
    """The Hessians of every equation at one point, in a subspace, by second differences."""
    size = basis.shape[1]
    i, j = np.triu_indices(size)
    displacement = steps.second * np.concatenate([basis.T, basis.T[i] + basis.T[j]])
    change = ask(x + displacement) - y
    if steps.central:
        change = (change + ask(x - displacement) - y) / 2
    second = (change[size:] - change[:size][i] - change[:size][j]) / steps.second**2
    hessian = np.zeros((len(y), size, size))
    hessian[:, i, j] = hessian[:, j, i] = second.T
    return hessian


def _directions(
    hessian: Float[np.ndarray, "matrix neuron neuron"], rng: np.random.Generator
) -> Float[np.ndarray, "neuron neuron"] | None:
    """Columns v_j with every M = sum_j d_j v_j v_j^T; None where there are no such."""
    if len(hessian) < 2 or not np.isfinite(hessian).all():
        return None
    first, second = np.tensordot(rng.normal(size=(2, len(hessian))), hessian, 1)
    try:
        with np.errstate(all="ignore"):  # of a mixture that is all but singular
            vectors = np.linalg.eig(first @ np.linalg.inv(second))[1]
    except np.linalg.LinAlgError:
        return None
    return vectors if np.isrealobj(vectors) and np.linalg.matrix_rank(vectors) == len(vectors) else None


def _assemble(
    at: Points, basis: np.ndarray, hessians: list[np.ndarray], directions: np.ndarray, activation: str
) -> Hidden:
    """Scale, bias and outputs of each unit from what gradients and Hessians say of it."""
    weight = (basis @ directions).T
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    inverse = np.linalg.inv(weight @ basis).T
    slopes = np.einsum("js,fs,pfk->jpk", inverse, basis, at.gradient)
    bends = np.einsum("js,hkst,jt->jhk", inverse, np.stack(hessians), inverse)
    units = [_unit(*each, activation) for each in zip(weight @ at.x.T, slopes, bends, strict=True)]
    scale, bias, output = (np.array(part) for part in zip(*units, strict=True))
    act = derivatives(activation, at.x @ (weight * scale[:, None]).T + bias)[0]
    return Hidden(weight * scale[:, None], bias, output.T, (at.y - act @ output).mean(axis=0))


def _unit(
    place: Float[np.ndarray, "point"],
    slope: Float[np.ndarray, "point equation"],
    bend: Float[np.ndarray, "hessian equation"],
    activation: str,
) -> tuple[float, float, Float[np.ndarray, "equation"]]:
    """Scale s, bias b and outputs a with slope = a s act'(s place + b) and bend = a s^2 act''(s place + b)."""
    sizes = np.linalg.norm(slope) or 1.0, np.linalg.norm(bend) or 1.0
    target = np.concatenate([slope / sizes[0], bend / sizes[1]])

    def form(scale: np.ndarray, z: np.ndarray) -> Float[np.ndarray, "*grid derivative"]:
        _, first, second = derivatives(activation, z)
        return np.concatenate([scale * first / sizes[0], scale**2 * second[..., : len(bend)] / sizes[1]], axis=-1)

    def shape(scale: np.ndarray, shift: np.ndarray) -> Float[np.ndarray, "*grid derivative"]:
        scale, shift = scale[..., None], shift[..., None]
        longer = form(scale, scale * (place - place.mean()) + shift)
        return longer / np.maximum(np.linalg.norm(longer, axis=-1, keepdims=True), np.finfo(float).tiny)

    def rest(theta: np.ndarray) -> Float[np.ndarray, "number"]:
        unit = shape(np.exp(theta[0]), theta[1])
        return (target - np.outer(unit, unit @ target)).ravel()

    explained = ((shape(SCALES, SHIFTS) @ target) ** 2).sum(axis=-1)
    best = np.unravel_index(explained.argmax(), explained.shape)
    logarithm, shift = least_squares(rest, (np.log(SCALES[best]), SHIFTS[best])).x
    scale, bias = np.exp(logarithm), shift - np.exp(logarithm) * place.mean()
    unit = form(scale, scale * place + bias)
    return scale, bias, unit @ target / max(unit @ unit, np.finfo(float).tiny)
