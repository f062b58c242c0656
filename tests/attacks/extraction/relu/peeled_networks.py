"""Random networks to peel, what is true of them, and a victim that counts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.special import softmax

from jaxattack.attacks.extraction.relu.cells import Layer, affine, heights
from jaxattack.attacks.extraction.relu.network import ReluNetwork, logits
from jaxattack.attacks.extraction.relu.signature import Trail
from jaxattack.types import Access, Answer, BudgetSpent, Inputs, Ledger


def network(sizes, seed, bias=0.1):
    """Weights normal over the square root of the fan-in, biases normal times ``bias``."""
    rng = np.random.default_rng(seed)
    weights = tuple(rng.normal(size=(after, before)) / np.sqrt(before) for before, after in pairwise(sizes))
    return ReluNetwork(weights, tuple(bias * rng.normal(size=after) for after in sizes[1:]))


def hidden_layers(net, count):
    """The first layers as the peeling has them."""
    return tuple(Layer(weight, bias) for weight, bias in zip(net.weights[:count], net.biases[:count], strict=True))


class Counting:
    """A victim that answers a function and keeps count."""

    def __init__(self, net, *, level="logit", budget=None, box=(-1.0, 1.0)):
        classes = len(net.biases[-1])
        self.access = Access(level=level, classes=classes, inputs=Inputs.box(*box, (net.weights[0].shape[1],)))
        self.net, self.budget, self.ledger = net, budget, Ledger()
        self.batches = []

    def __call__(self, x, bias=None):
        if self.budget is not None and self.ledger.queries + len(x) > self.budget:
            raise BudgetSpent("The query budget is spent.", left=self.budget - self.ledger.queries)
        self.ledger += Ledger(queries=len(x), calls=1)
        self.batches.append(x.copy())
        y = logits(self.net, x)
        label = y.argmax(axis=1)
        return Answer(label, softmax(y, axis=1)) if self.access.level == "probability" else Answer(label, None, y)


def true_trail(layers, weight, bias, seed, points=40):
    """Points of a neuron's zero set, found by halving, with the true normals, as a walk would measure them."""
    rng = np.random.default_rng(seed)
    features = layers[0].weight.shape[1]

    def value(x):
        return np.maximum(heights(layers, x)[:, -len(weight) :], 0) @ weight + bias

    x = rng.normal(size=(4000, features))
    above = value(x) > 0
    count = min(above.sum(), (~above).sum(), points)
    low, high = x[~above][:count], x[above][:count]
    for _ in range(60):
        middle = (low + high) / 2
        up = (value(middle) > 0)[:, None]
        low, high = np.where(up, low, middle), np.where(up, middle, high)
    on = heights(layers, high) > 0
    gradient = affine(layers, on).gradient[:, -len(weight) :]
    normal = np.einsum("ph,phf->pf", weight * on[:, -len(weight) :], gradient)
    return Trail(on, normal, high)
