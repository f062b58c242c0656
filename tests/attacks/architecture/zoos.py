"""A zoo that nobody has trained: networks with random weights, whose answers tell what they are built of and nothing else."""

from __future__ import annotations

import jax
import numpy as np

from jaxattack.attacks.architecture import Zoo
from jaxattack.models.attribute_grid import ATTRIBUTES, Codes, GridNetwork, draw_codes
from jaxattack.types import Access, Inputs

CLASSES = 7
GRID = GridNetwork(shape=(4, 4, 1), classes=CLASSES, filters=2, width=4)
POOL = np.random.default_rng(0).uniform(-1, 1, (24, 4, 4, 1)).astype(np.float32)
ACCESS = Access(level="probability", classes=CLASSES, inputs=Inputs.box(0, 255, (4, 4, 1)))


def shapes_of(network):
    """The weights of a network, of which none is drawn."""
    return jax.eval_shape(network.init, jax.random.key(0), np.zeros(len(ATTRIBUTES), np.int32))


def weights_of(nets, seed=0):
    """Random weights, alike but for noise, and so large that hidden units of tanh saturate."""
    rng = np.random.default_rng(seed)

    def leaf(shape):
        scale = 3 / np.sqrt(max(np.prod(shape[:-1]), 1)) if len(shape) > 1 else 0.3
        return np.float32(scale * (rng.normal(size=shape) + 0.1 * rng.normal(size=(nets, *shape))))

    return jax.tree.map(lambda part: leaf(part.shape), shapes_of(GRID))


def zoo(nets=96):
    codes = draw_codes(nets, seed=3)
    codes[:, Codes._fields.index("activation")] = 3 * (np.arange(nets) % 2)  # relu and tanh
    return Zoo(network=GRID, weights=weights_of(nets), codes=codes, accuracy=np.full(nets, 0.5, np.float32))
