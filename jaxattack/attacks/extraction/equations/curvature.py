"""One hidden layer of smooth units, solved from its derivatives by linear algebra; no local minima.

The equations of f(x) = sum_j a_j act(w_j.x + b_j) + c have, at any x,

    gradient_k = sum_j a_jk act'(z_j) w_j,        Hessian_k = sum_j a_jk act''(z_j) w_j w_j^T.

1. Gradients by forward differences at a few points span the weights: their rank is the number of hidden units h.
2. In that subspace (h numbers, not d) the Hessians at one point or a few, from h (h + 3) / 2 queries each, are all
   diagonal in the basis dual to the weights: the eigenvectors of M_1 M_2^-1, for two random mixtures M, are the w_j up to
   scale (Jennrich's algorithm).
3. The coefficients a_jk act'(z_j) and a_jk act''(z_j) then tell the scale of w_j, b_j and a_j of each unit by itself: a
   fit of two unknowns.

With k equations a query this takes (h / k + 1) (d + 1) + h (h + 3) / 2 queries, so h < d is needed. What is found is a
start for least squares; coarse answers (float32) are asked for to both sides, twice the queries, and show fewer digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from jaxattack.attacks.extraction.equations.tape import Steps
from jaxattack.types import BudgetSpent

Ask = Callable[[Float[np.ndarray, "query feature"]], Float[np.ndarray, "query equation"]]
"""Queries in -1..1 -> the equations."""

Unit = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""z -> act(z), act'(z), act''(z)."""

GAP = 30.0
MIXTURES = 50
OFF_DIAGONAL = 0.1
HESSIANS = 3
_SCALES, _SHIFTS = np.geomspace(0.03, 30, 60), np.linspace(-6, 6, 121)
_REFINED, _APART = 5, 60
_BENDS = 0.01
"""Second differences have fewer digits than first ones, and count for so much."""


class Hidden(NamedTuple):
    """The hidden layer and what reads it, in the coordinates of the queries.

    Attributes:
        weight: Float["neuron feature"].
        bias: Float["neuron"].
        output: Float["equation neuron"].
        offset: Float["equation"].
    """

    weight: Float[np.ndarray, "neuron feature"]
    bias: Float[np.ndarray, "neuron"]
    output: Float[np.ndarray, "equation neuron"]
    offset: Float[np.ndarray, "equation"]


class Points(NamedTuple):
    """Where derivatives are taken.

    Attributes:
        x: Float["point feature"], further than two steps within -1..1.
        y: Float["point equation"].
    """

    x: Float[np.ndarray, "point feature"]
    y: Float[np.ndarray, "point equation"]


class Slopes(NamedTuple):
    """Gradients.

    Attributes:
        at: where they were taken.
        gradient: Float["point feature equation"].
    """

    at: Points
    gradient: Float[np.ndarray, "point feature equation"]


def tanh_unit(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tanh and its derivatives."""
    t = np.tanh(z)
    return t, 1 - t**2, -2 * t * (1 - t**2)


def fewest(features: int, equations: int, hidden: int, coarse: bool) -> int:
    """Queries that `hidden_layer` asks at least."""
    points, sides = hidden // equations + 1, 2 if coarse else 1
    return points + sides * (points * features + hidden * (hidden + 3) // 2)


def slopes(
    ask: Ask, points: Callable[[int], Points], steps: Steps, hidden: int | None
) -> tuple[Slopes, Float[np.ndarray, "feature neuron"] | None]:
    """Gradients at as many points as show the rank of their span, and an orthonormal basis of it: that of the weights.

    The basis is None where the span is the whole space, or answers are no equations.

    Args:
        ask: answers queries in -1..1; NaN where it cannot.
        points: so many -> points and the equations there.
        steps: of differences.
        hidden: how many units; None to find out.

    Raises:
        BudgetSpent: before they were asked.
    """
    at = points(1)
    gradient = _slopes(ask, at, steps)
    features, equations = gradient.shape[1:]
    while hidden is not None or _span(gradient, steps.error, None) is None:
        short = 1 if hidden is None else hidden // equations + 1 - len(at.x)
        if short <= 0 or len(at.x) * equations >= features + equations or not np.isfinite(gradient).all():
            break
        more = points(short)
        gradient = np.concatenate([gradient, _slopes(ask, more, steps)])
        at = Points(np.concatenate([at.x, more.x]), np.concatenate([at.y, more.y]))
    return Slopes(at, gradient), _span(gradient, steps.error, hidden)


def hidden_layer(
    ask: Ask,
    gradients: Slopes,
    basis: Float[np.ndarray, "feature neuron"],
    steps: Steps,
    unit: Unit,
    rng: np.random.Generator,
) -> Hidden | None:
    """The hidden layer behind an oracle; None where the Hessians do not show one.

    Args:
        ask: answers queries in -1..1; NaN where it cannot.
        gradients: gradients.
        basis: of the span of the weights.
        steps: of differences.
        unit: the activation.
        rng: mixes Hessians.

    Raises:
        BudgetSpent: before anything was found.
    """
    hessians, directions = [], None
    for x, y in zip(gradients.at.x[:HESSIANS], gradients.at.y, strict=False):
        try:
            hessians.append(_hessian(ask, x, y, steps, basis))
        except BudgetSpent:
            if directions is None:
                raise
            break
        directions, off = _directions(np.concatenate(hessians), rng)
        if off < OFF_DIAGONAL:
            break
    return None if directions is None else _assemble(gradients, basis, hessians, directions, unit)


def _slopes(ask: Ask, at: Points, steps: Steps) -> Float[np.ndarray, "point feature equation"]:
    """Gradients by first differences."""
    count, features = at.x.shape
    displacement = steps.first * np.eye(features)
    ahead = ask((at.x[:, None] + displacement).reshape(-1, features)).reshape(count, features, -1)
    if not steps.central:
        return (ahead - at.y[:, None]) / steps.first
    behind = ask((at.x[:, None] - displacement).reshape(-1, features)).reshape(count, features, -1)
    return (ahead - behind) / (2 * steps.first)


def _span(
    gradient: Float[np.ndarray, "point feature equation"], error: float, hidden: int | None
) -> Float[np.ndarray, "feature neuron"] | None:
    """An orthonormal basis of what gradients span; None where they span all that they could.

    A gap in the singular values is one to values that the error of differences explains.
    """
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
) -> tuple[Float[np.ndarray, "neuron neuron"] | None, float]:
    """Columns v_j with every M = sum_j d_j v_j v_j^T and how far that is off; None where no mixture gives columns."""
    best, least = None, np.inf
    if len(hessian) < 2 or not np.isfinite(hessian).all():
        return best, least
    for first, second in rng.normal(size=(MIXTURES, 2, len(hessian))):
        try:
            mixed = np.linalg.solve(np.tensordot(second, hessian, 1), np.tensordot(first, hessian, 1)).T
            values, vectors = np.linalg.eig(mixed)
            if np.imag(values).any():
                continue
            vectors = np.real(vectors)
            inverse = np.linalg.inv(vectors)
        except np.linalg.LinAlgError:
            continue
        with np.errstate(all="ignore"):  # columns that are all but dependent overflow, and are off by NaN
            product = inverse @ hessian @ inverse.T
            rest = product * (1 - np.eye(len(inverse)))
            off = float(np.linalg.norm(rest) / np.linalg.norm(product))
        if off < least:
            best, least = vectors, off
    return best, least


def _assemble(
    gradients: Slopes, basis: np.ndarray, hessians: list[np.ndarray], directions: np.ndarray, unit: Unit
) -> Hidden:
    """Scale, bias and outputs of each unit from what gradients and Hessians say of it."""
    at, gradient = gradients
    weight = (basis @ directions).T
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    inverse = np.linalg.inv(weight @ basis).T
    slopes = np.einsum("js,fs,pfk->jpk", inverse, basis, gradient)
    bends = np.einsum("js,hkst,jt->jhk", inverse, np.stack(hessians), inverse)
    place = weight @ at.x.T
    units = [_one_unit(*each, unit) for each in zip(place, slopes, bends, strict=True)]
    scale, bias, output = (np.array(part) for part in zip(*units, strict=True))
    act = unit(at.x @ (weight * scale[:, None]).T + bias)[0]
    return Hidden(weight * scale[:, None], bias, output.T, (at.y - act @ output).mean(axis=0))


def _one_unit(
    place: Float[np.ndarray, "point"],
    slope: Float[np.ndarray, "point equation"],
    bend: Float[np.ndarray, "hessian equation"],
    unit: Unit,
) -> tuple[float, float, Float[np.ndarray, "equation"]]:
    """Scale s, bias b and outputs a with slope = a s act'(s place + b) and bend = a s^2 act''(s place + b)."""
    sizes = [np.linalg.norm(slope) or 1.0, (np.linalg.norm(bend) or 1.0) / _BENDS]
    target = np.concatenate([slope / sizes[0], bend / sizes[1]])

    def shape(scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
        _, first, second = unit(scale[..., None] * place + bias[..., None])
        first, second = scale[..., None] * first, (scale[..., None] ** 2 * second)[..., : len(bend)]
        return np.concatenate([first / sizes[0], second / sizes[1]], axis=-1)

    def rest(theta: np.ndarray) -> np.ndarray:
        form = shape(np.exp(theta[0]), theta[1] - np.exp(theta[0]) * place.mean())
        return (target - np.outer(form, form @ target / max(form @ form, 1e-300))).ravel()

    scale, shift = np.meshgrid(_SCALES, _SHIFTS, indexing="ij")
    form = shape(scale, shift - scale * place.mean())
    explained = ((form @ target) ** 2).sum(axis=-1) / np.maximum((form**2).sum(axis=-1), 1e-300)
    starts = np.argsort(-explained.ravel())[: _REFINED * _APART : _APART]
    fits = [least_squares(rest, (np.log(scale.ravel()[at]), shift.ravel()[at])) for at in starts]
    theta = min(fits, key=lambda fit: fit.cost).x
    best = float(np.exp(theta[0]))
    bias = float(theta[1] - best * place.mean())
    form = shape(np.array(best), np.array(bias))
    return best, bias, form @ target / max(form @ form, 1e-300)
