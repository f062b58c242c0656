"""The last layer, and all layers together, from answers that were asked before.

With all hidden layers known but for the signs of the last, the network is linear in what is left,

    f(x) = sum_j A_j |z_j(x)| + B_j z_j(x) + c,    B_j = s_j A_j,

so that one least squares over kept answers gives the signs and the last layer. A neuron of the last hidden layer that
never switches where it was looked for adds a linear function of the layer below, or nothing; such functions take the
places of neurons that were not found. Gauss-Newton over all weights and biases then takes every error from the way
there down to rounding: away from kinks the network is smooth in them.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from jaxtyping import Float
from scipy.linalg import lstsq

from jaxattack.attacks.extraction.relu.cells import Layer, Layers, flip, last_heights
from jaxattack.attacks.extraction.relu.network import ReluNetwork, logits
from jaxattack.attacks.extraction.relu.rows import join, take

FITTED = 4.0
"""Answers that are fitted, an unknown. Of one hidden layer half 72, .95; double 72, 1.09."""

STEPS = 20
"""Of Gauss-Newton at most. With damping (Levenberg-Marquardt) before them nothing changed for 54 networks of one hidden layer. Double 72, the same."""

REWEIGHTED = 30
"""Fits of a last layer at most. Of 35 networks a third does the same; of `STEPS` half and double 7 of 7."""


class Answers(NamedTuple):
    """What was asked, in standard coordinates, and answered."""

    x: Float[np.ndarray, "query feature"]
    y: Float[np.ndarray, "query output"]

    @classmethod
    def finite(cls, x: Float[np.ndarray, "query feature"], y: Float[np.ndarray, "query output"]) -> Answers:
        """Those with all digits."""
        return take(cls(x, y), np.isfinite(y).all(axis=1))

    def some(self, count: int, rng: np.random.Generator) -> Answers:
        """At most so many of them."""
        return take(self, rng.permutation(len(self.x))[:count])


def solve_last_layer(layers: Layers, answers: Answers, width: int) -> ReluNetwork:
    """The network with its last layer, from all hidden layers up to the signs of the last.

    Neurons that the last hidden layer lacks of its width are filled up with linear functions.
    """
    missing = width - len(layers[-1].bias)
    value, before = last_heights(layers, answers.x), layers[:-1]
    below = np.maximum(last_heights(before, answers.x), 0.0) if before else answers.x
    one, skip = np.ones((len(value), 1)), below if missing else below[:, :0]
    count = value.shape[1]
    solution = _exact_for_most(np.concatenate([np.abs(value), value, skip, one], axis=1), answers.y)
    agree = (solution[:count] * solution[count : 2 * count]).sum(axis=1)
    layers = (*layers[:-1], flip(layers[-1], np.where(agree >= 0, 1.0, -1.0)))
    on = np.maximum(last_heights(layers, answers.x), 0.0)
    solution = _exact_for_most(np.concatenate([on, skip, one], axis=1), answers.y)
    readout, bias = solution[:count].T, solution[-1]
    if missing:
        linear, outer, shift = _linear_neurons(solution[count:-1], below, missing)
        layers = (*layers[:-1], join(layers[-1], linear))
        readout, bias = np.concatenate([readout, outer], axis=1), bias - shift
    return ReluNetwork(*zip(*layers, (readout, bias), strict=True))


def _exact_for_most(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares, weighted anew until it is exact for most rows: a neuron not found yet spoils the others."""
    worth = np.ones(len(matrix))
    for _ in range(REWEIGHTED):
        # The usual bound of rank, 2^-52 a row, for 450 rows. A tenth and ten times 26, at the same queries.
        solution = np.linalg.lstsq(matrix * worth[:, None], target * worth[:, None], rcond=1e-13)[0]
        miss = np.abs(target - matrix @ solution).max(axis=1)
        # Weights of the sum of |miss|, down to where a fit counts as exact. A tenth and ten times of the 1e-9 26, the same; 0 for the 1e-12 too.
        worth = 1 / np.sqrt(np.maximum(miss, 1e-9 * (1e-12 + np.abs(target).max())))
        # A tenth of either 26, the same; ten times the 1e-6 too.
        if np.median(miss) <= 1e-9 * np.abs(target).max() and miss.max() <= 1e-6 * np.abs(target).max():
            break
    return solution


def polish(network: ReluNetwork, answers: Answers) -> ReluNetwork:
    """All weights and biases fitted to answers, which nearly all lie in the network's cells, by Gauss-Newton."""
    # Points far out answer with larger numbers and larger rounding errors.
    worth = np.repeat(1 / (1 + np.linalg.norm(answers.x, axis=1)), answers.y.shape[1])

    def miss(theta: np.ndarray) -> np.ndarray:
        return (logits(_with_parameters(network, theta), answers.x) - answers.y).ravel() * worth

    theta = np.concatenate([part.ravel() for layer in zip(*network, strict=True) for part in layer])
    squares = float(np.square(miss(theta)).sum())
    for _ in range(STEPS):
        matrix = _jacobian(_with_parameters(network, theta), answers.x) * worth[:, None]
        # The scales of the neurons are free, so that the shortest step is wanted. A tenth and ten times of the 1e-12 26 and 72, the same.
        trial = theta - cast(tuple, lstsq(matrix, miss(theta), cond=1e-12, lapack_driver="gelsy"))[0]
        left = float(np.square(miss(trial)).sum())
        # Half, and any gain at all, 72, at the same queries.
        if not left < 0.9 * squares:
            break
        theta, squares = trial, left
    return _with_parameters(network, theta)


def _linear_neurons(skip: np.ndarray, below: np.ndarray, missing: int) -> tuple[Layer, np.ndarray, np.ndarray]:
    """Neurons that are always on and add ``below @ skip`` to the outputs: their layer, readout, and what they shift."""
    outer, size, inner = np.linalg.svd(skip.T, full_matrices=False)
    # A tenth and ten times 26, the same.
    rank = min(missing, int((size > 1e-9 * max(1.0, size[0])).sum()))
    weight = np.zeros((missing, below.shape[1]))
    weight[:rank] = inner[:rank]
    readout = np.zeros((len(outer), missing))
    readout[:, :rank] = outer[:, :rank] * size[:rank]
    # Twice as far as any answer went, so that they stay on wherever the network is likely to be asked.
    bias = np.where(np.arange(missing) < rank, 2 * np.abs(below @ weight.T).max(axis=0, initial=0.0), -1.0)
    return Layer(weight, bias), readout, readout[:, :rank] @ bias[:rank]


def _jacobian(network: ReluNetwork, x: np.ndarray) -> Float[np.ndarray, "query*output parameter"]:
    """The derivative of the outputs by all parameters, layer by layer, weights row by row before biases."""
    signals, on = [x], []
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        value = signals[-1] @ weight.T + bias
        on.append(value > 0)
        signals.append(np.maximum(value, 0.0))
    outputs = len(network.biases[-1])
    back = np.broadcast_to(np.eye(outputs), (len(x), outputs, outputs))
    blocks = []
    for layer in reversed(range(len(network.weights))):
        by_weight = np.einsum("qon,qi->qoni", back, signals[layer])
        blocks.append(np.concatenate([by_weight.reshape(*back.shape[:2], -1), back], axis=2))
        if layer:
            back = (back @ network.weights[layer]) * on[layer - 1][:, None]
    return np.concatenate(blocks[::-1], axis=2).reshape(len(x) * outputs, -1)


def _with_parameters(network: ReluNetwork, theta: Float[np.ndarray, "parameter"]) -> ReluNetwork:
    parts = np.split(theta, np.cumsum([part.size for layer in zip(*network, strict=True) for part in layer])[:-1])
    shapes = [weight.shape for weight in network.weights]
    return ReluNetwork(tuple(map(np.reshape, parts[::2], shapes)), tuple(parts[1::2]))
