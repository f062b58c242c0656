"""Which sign the neurons of a layer have, from the neurons of the next layer; and the weights of these.

Every neuron of the next layer gives, in each cell that its zero set was followed into (`signature`),

    normal - sum_i a_i side_i grad z_i = sum_i s_i a_i grad z_i,

linear in the signs s_i. All neurons together are one overdetermined least squares for the signs, even where the layer
is wider than what feeds it, so that one region alone would leave them open (there Canales-Martinez et al. 2024,
"Polynomial time cryptanalytic extraction of neural network models", wiggle neurons one at a time). No queries, no trial
of 2^h patterns.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.cells import Layers, last
from jaxattack.attacks.extraction.relu.signature import Signature, Trail

MATTERS = 1e-6


def signs(layers: Layers, signatures: list[Signature]) -> Float[np.ndarray, "neuron"]:
    """1 or -1 for every neuron of the last known layer, from neurons of the next one."""
    here = last(layers)
    width = here.stop - here.start
    open_ = sum(int(one.free.sum()) for one in signatures)
    matrices, targets, column, places = [], [], width, []
    for one in signatures:
        below, side = one.trail.below(layers)
        gradient, met = below.gradient.swapaxes(1, 2), ~one.free
        contribution = gradient[:, :, met] @ (side * one.fold)[:, met, None]
        matrix = np.zeros((*gradient.shape[:2], width + open_))
        matrix[:, :, np.flatnonzero(met)] = gradient[:, :, met] * one.fold[met]
        # Where the fold could not be told from the slope, their sum takes a column of its own.
        matrix[:, :, column : column + one.free.sum()] = gradient[:, :, one.free]
        places += [(i, side[0, i], column + k) for k, i in enumerate(np.flatnonzero(one.free))]
        column += int(one.free.sum())
        matrices.append(matrix.reshape(-1, width + open_))
        targets.append((one.trail.normal - contribution[:, :, 0]).ravel())
    solution = np.linalg.lstsq(np.concatenate(matrices), np.concatenate(targets), rcond=1e-10)[0]
    for i in np.flatnonzero(np.all([one.free for one in signatures], axis=0)):
        # Never crossed, so either on throughout, and then it matters to some neuron above, or off throughout.
        matters = [at for neuron, at, column in places if neuron == i and abs(solution[column]) > MATTERS]
        idle = [-at for neuron, at, column in places if neuron == i]
        solution[i] = (matters or idle)[0]
    return np.where(solution[:width] >= 0, 1.0, -1.0)


def flip_trail(layers: Layers, trail: Trail, sign: Float[np.ndarray, "neuron"]) -> Trail:
    """The trail after the last known layer took these signs."""
    here, on = last(layers), trail.on.copy()
    on[:, here] ^= sign < 0
    return trail._replace(on=on)


def weights(layers: Layers, trail: Trail) -> tuple[Float[np.ndarray, "neuron"], float, Bool[np.ndarray, "neuron"]]:
    """Weights of length 1 and bias of the neuron that a trail follows over a layer whose signs are known.

    Its normal is sum_i w_i on_i grad z_i. Of neurons below that were never on the weights are left 0, and told.
    """
    below, side = trail.below(layers)
    on = side > 0
    matrix = (below.gradient * on[:, :, None]).swapaxes(1, 2).reshape(-1, side.shape[1])
    solution = np.linalg.lstsq(matrix, trail.normal.ravel(), rcond=1e-10)[0]
    unseen = np.logical_not(on.any(axis=0))
    solution[unseen] = 0.0
    bias = -np.median((below.heights(trail.x) * on) @ solution)
    scale = np.linalg.norm(solution)
    return solution / scale, float(bias / scale), unseen
