"""A classifier an attribute: perceptrons that learn from answers what a network is (Oh et al. 2018), all in one program.

The answers are put on their principal components, each divided by the root of the mean variance, so that a perceptron costs
the same whatever is asked. One hidden layer, ReLU, dropout and Adam with decoupled weight decay; a fixed number of steps, none
chosen by what is held out. Weights and masks of padding make heads of different sizes one program.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int

from jaxattack.descent import descend
from jaxattack.models.attribute_grid import ATTRIBUTES
from jaxattack.types import InputError, above_zero, at_least, config

Parameters = dict[str, jax.Array]

MOST = max(len(attribute.values) for attribute in ATTRIBUTES)


def exists() -> Bool[np.ndarray, "attribute value"]:
    """Which values each attribute has."""
    return np.array([[value < len(attribute.values) for value in range(MOST)] for attribute in ATTRIBUTES])


@config
class Perceptron:
    """How a perceptron is built and trained.

    Attributes:
        hidden: units.
        rate: the learning rate of Adam.
        decay: of the weights, decoupled, a step.
        dropout: the share of hidden units left out of each step.

    Raises:
        InputError: a value out of range.
    """

    hidden: int = 128
    rate: float = 2e-3
    decay: float = 1e-2
    dropout: float = 0.3

    def __post_init__(self) -> None:
        at_least(1, hidden=self.hidden)
        above_zero(rate=self.rate)
        if not 0 <= self.decay < math.inf:
            raise InputError(f"decay is {self.decay}: give 0 or more.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout}: give a share from 0 to below 1.")

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam with decoupled weight decay."""
        return optax.adamw(self.rate, weight_decay=self.decay)

    def init(self, key: jax.Array, inputs: int) -> Parameters:
        """The parameters that one begins with."""
        first, last = jax.random.split(key)
        return {
            "first": jax.random.normal(first, (inputs, self.hidden)) * math.sqrt(2 / inputs),
            "shift": jnp.zeros(self.hidden),
            "last": jax.random.normal(last, (self.hidden, MOST)) * math.sqrt(1 / self.hidden),
            "bias": jnp.zeros(MOST),
        }

    def loss(
        self, parameters: Parameters, there: jax.Array, x: jax.Array, code: jax.Array, key: jax.Array
    ) -> jax.Array:
        """The mean of -ln of the posterior of the true value, of one attribute, with dropout."""
        answer = posterior(parameters, there, x, self.dropout, key)
        return -jnp.take_along_axis(answer, code[:, None], axis=1).mean()


@dataclass(frozen=True, kw_only=True, eq=False)
class Components:
    """A linear map of answers.

    Attributes:
        mean: of the answers.
        axes: Float["feature component"], orthogonal, divided by the scale.
    """

    mean: Float[np.ndarray, "feature"]
    axes: Float[np.ndarray, "feature component"]

    def __call__(self, x: Float[np.ndarray, "net feature"]) -> Float[np.ndarray, "net component"]:
        return ((x - self.mean) @ self.axes).astype(np.float32)

    @classmethod
    def fit(cls, x: Float[np.ndarray, "net feature"], most: int, total: int) -> Components:
        """The principal components of some answers.

        Args:
            x: answers.
            most: how many components are kept, at most.
            total: how many networks there are, in whose number the components end wherever some are held out.
        """
        mean = x.mean(axis=0)
        count = min(most, x.shape[1], total)
        _, values, axes = np.linalg.svd(x - mean, full_matrices=False)
        scale = math.sqrt(float((values**2).sum()) / len(x) / count) or 1.0
        projection = np.zeros((x.shape[1], count))
        projection[:, : len(axes[:count])] = axes[:count].T / scale
        return cls(mean=mean, axes=projection)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedClassifier:
    """What `Classifier` has learnt.

    Attributes:
        components: of the answers.
        parameters: of the perceptrons, each leaf leading with the axis ``attribute``.
    """

    components: Components
    parameters: Parameters

    def __call__(self, x: Float[np.ndarray, "net feature"]) -> Float[np.ndarray, "net attribute value"]:
        """The logarithm of the posterior."""
        return read(self.parameters, np.repeat(self.components(x)[None], len(ATTRIBUTES), axis=0))


def posterior(
    parameters: Parameters, there: jax.Array, x: jax.Array, dropout: float = 0.0, key: jax.Array | None = None
) -> jax.Array:
    """ln of the posterior ["net value"] of one attribute.

    Args:
        parameters: of its perceptron.
        there: which values the attribute has.
        x: Float["net feature"].
        dropout: the share of hidden units left out.
        key: of dropout; None for a perceptron in use.
    """
    hidden = jax.nn.relu(x @ parameters["first"] + parameters["shift"][None])
    if key is not None and dropout:
        hidden = jnp.where(jax.random.bernoulli(key, 1 - dropout, hidden.shape), hidden / (1 - dropout), 0)
    logits = hidden @ parameters["last"] + parameters["bias"][None]
    return jax.nn.log_softmax(jnp.where(there[None], logits, -jnp.inf), axis=1)


def read(
    parameters: Parameters, x: Float[np.ndarray, "attribute net feature"]
) -> Float[np.ndarray, "net attribute value"]:
    """ln of the posterior of every attribute, each from its own features."""
    values = _read(parameters, exists(), x.astype(np.float32))
    return np.asarray(values, np.float64).swapaxes(0, 1)


_read = jax.jit(jax.vmap(lambda parameters, there, x: posterior(parameters, there, x)))


def fit_classifier(
    perceptron: Perceptron,
    x: Float[np.ndarray, "net feature"],
    codes: Int[np.ndarray, "net attribute"],
    nets: Int[np.ndarray, "some"],
    *,
    components: int,
    epochs: int,
    batch: int,
    seed: int = 0,
) -> TrainedClassifier:
    """Train a perceptron for each attribute.

    Args:
        perceptron: how each is built and trained.
        x: the answers of every network of the zoo.
        codes: their attributes.
        nets: which are learnt from.
        components: principal components of the answers that are read, at most.
        epochs: passes over as many networks as the zoo has, so that each part of it trains the same program.
        batch: networks a step.
        seed: decides everything random.
    """
    own = Components.fit(x[nets], components, len(x))
    steps = max(1, epochs * len(x) // batch)
    rng = np.random.default_rng([seed, 2])
    passes = [rng.permutation(nets) for _ in range(-(-steps * batch // len(nets)))]
    rows = np.concatenate(passes)[: steps * batch].reshape(steps, batch)
    features, values = jnp.asarray(own(x)), jnp.asarray(codes.T)
    parameters = _train(perceptron, jax.random.key(seed), features, values, jnp.asarray(exists()), jnp.asarray(rows))
    return TrainedClassifier(components=own, parameters=parameters)


@partial(jax.jit, static_argnums=0)
def _train(
    perceptron: Perceptron, key: jax.Array, x: jax.Array, codes: jax.Array, there: jax.Array, rows: jax.Array
) -> Parameters:
    def one(key: jax.Array, code: jax.Array, there: jax.Array) -> Parameters:
        parameters = perceptron.init(jax.random.fold_in(key, 0), x.shape[1])

        def loss(parameters: Parameters, number: jax.Array) -> jax.Array:
            drop, nets = jax.random.fold_in(key, number + 1), rows[number]
            return perceptron.loss(parameters, there, x[nets], code[nets], drop)

        return descend(loss, perceptron.optimizer, parameters, len(rows)).point

    return jax.vmap(one)(jax.random.split(key, len(codes)), codes, there)
