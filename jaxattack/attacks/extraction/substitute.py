"""Substitutes: local models trained on what a victim answered.

    architecture      what it is                          how it is fitted
    softmax           softmax regression                  L-BFGS to the optimum, float64
    rbf:500           `rbf`, at most 500 landmarks        the same; gamma is held out among `GAMMAS` / features
    mlp:64, cnn:16    `jaxattack.models.build`            Adam on batches, float32, cosine to a rate of 0

Answers are distributions over the classes: a label puts everything on one. The loss is cross entropy, plus ridge / 2
times the squared weights (for ``rbf`` the squared norm in the kernel's space): answers of labels alone are often
separable, and the optimum is then at infinity without it.

Queries are encoded before they reach the network: numbers to -1..1 over the range that the service documents, a
category as one value of 0 or 1 for each of its values. The encoding is part of the model, which takes queries as
the service takes them.

How many of them are trained at once is told in `fitting`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import log_softmax

from jaxattack.attacks.extraction import rbf
from jaxattack.attacks.extraction.asking import fill_withheld
from jaxattack.models import build
from jaxattack.models.batches import pad_batch
from jaxattack.models.nets import Activation
from jaxattack.types import Answer, InputError, Inputs, Model, Variables, above_zero, at_least, config

LANDMARKS = 500
"""Of 12 support vector machines and networks on six tables, 1,200 labels each, 98.9% of other inputs are labelled alike, and from half and twice as
many."""

BLOCK, FEWEST = 4096, 256
"""Queries that a substitute answers at once, at most and, with padding, at least: few programs are compiled.

Of powers of two these are five; half of the first or twice the second leave four, the others six. No answer depends on them but for rounding.
"""


@config
class Substitute:
    """What an attacker trains.

    Attributes:
        architecture: as in the module's table.
        activation: between the layers of ``mlp`` and ``cnn``.
        epochs: passes of a network over its queries; a convex fit has none. Twice agrees with 1 or 2% more records behind confidences
            and as many behind labels, for twice the training.
        batch: queries a step of a network; of 16 thefts from fewer than 100 queries twice agrees with 0.7% fewer records.
        learning_rate: its peak, for a network. Of networks and regressions on digits 0.003 agrees, behind confidences, with 1 to 4% fewer
            records from 50 to 300 queries and 8% fewer random inputs from 5,000; behind labels with 2% fewer from 50 and as many from 300.
            On iris 0 to 3% fewer, on wine as many to within what 59 records resolve.
        ridge: weight of the squared weights in the loss. Of labels that a margin g separates the weights end near ln(1 / ridge) / g, which
            ten times more or less changes by an eighth, and their directions hardly.

    Raises:
        InputError: an unknown architecture, one that keeps batch statistics, or a value out of range.
    """

    architecture: str = "softmax"
    activation: Activation = "relu"
    epochs: int = 60
    batch: int = 64
    learning_rate: float = 1e-2
    ridge: float = 1e-8

    def __post_init__(self) -> None:
        if self.family not in ("softmax", "rbf", "mlp", "cnn"):
            raise InputError(
                f"substitute is {self.architecture!r}: give softmax, rbf, rbf:500, mlp:64 or cnn:16-32, sizes of your own."
            )
        if self.family == "rbf" and self.landmarks < 1:
            raise InputError(
                f"substitute is {self.architecture!r}: give rbf, or the number of landmarks as in rbf:500."
            )
        at_least(1, epochs=self.epochs, batch=self.batch)
        above_zero(learning_rate=self.learning_rate, ridge=self.ridge)

    @property
    def family(self) -> str:
        """The architecture without its sizes."""
        return self.architecture.partition(":")[0]

    @property
    def landmarks(self) -> int:
        """How many queries a kernel is centred on at most."""
        text = self.architecture.partition(":")[2]
        return int(text) if text.isdecimal() else 0 if text else LANDMARKS


SOFTMAX, PERCEPTRON = Substitute(), Substitute(architecture="mlp:128")
"""What attacks train by default. Of 18 forests, networks and support vector machines on six tables, 160 queries, half as wide agrees behind
confidences with 0.8% fewer other records, behind labels with 0.2%, and twice as wide with 0.1% and 0.6% more."""


class Stolen(NamedTuple):
    """A trained substitute: a model that maps queries, as the service takes them, to logits, and its named parameters."""

    model: Model
    parameters: dict[str, np.ndarray]

    @property
    def variables(self) -> Variables:
        """The parameters as the model's variables."""
        return Variables(self.parameters, {})

    def answer(self, x: Shaped[np.ndarray, "query *feature"]) -> Answer:
        """What the substitute answers, with everything it knows."""
        logit = self.logits(x)
        return Answer(logit.argmax(axis=1), np.exp(log_softmax(logit, axis=1)), logit)

    def logits(self, x: Shaped[np.ndarray, "query *feature"]) -> Float[np.ndarray, "query cls"]:
        """The raw outputs in float64, computed in the precision of the parameters, a block of queries at a time."""
        x = np.asarray(x, np.result_type(*self.parameters.values()))
        some = x if len(x) else np.zeros((1, *x.shape[1:]), x.dtype)
        blocks = [pad_batch(some[start : start + BLOCK], FEWEST) for start in range(0, len(some), BLOCK)]
        with jax.enable_x64(True):
            logits = [np.asarray(_apply(self.model, self.variables, block), np.float64) for block in blocks]
        return np.concatenate(logits)[: len(x)]


@partial(jax.jit, static_argnames="model")
def _apply(model: Model, variables: Variables, x: Any) -> jax.Array:
    return model.apply(variables, x)


def targets(answer: Answer, classes: int, soft: bool) -> Float[np.ndarray, "query cls"]:
    """What a substitute learns from: distributions over the classes, the victim's own where they are answered and it is ``soft``.

    What remains beside the confidences of the most likely classes is shared out among the others equally; beside their
    logits nothing remains.
    """
    hard = np.eye(classes)[answer.label]
    if soft and answer.logit is not None:
        logit = np.asarray(answer.logit, np.float64)
        return np.exp(log_softmax(np.where(np.isnan(logit), -np.inf, logit), axis=1))
    if not soft or answer.probability is None:
        return hard
    full = fill_withheld(np.clip(np.asarray(answer.probability, np.float64), 0.0, None))
    total = full.sum(axis=1, keepdims=True)
    # Confidences of very many classes may all be rounded to 0: the label is what is left.
    return np.where(total > 0, full / np.where(total > 0, total, 1.0), hard)


class Encoding(NamedTuple):
    """How queries become numbers around 0: by the middle of each feature's range, half the range, and how many values it takes, 0
    for a number; these are flattened, and images keep their shape."""

    center: Float[np.ndarray, "*feature"]
    scale: Float[np.ndarray, "*feature"]
    categories: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an encoded query."""
        return (sum(max(n, 1) for n in self.categories),) if any(self.categories) else self.center.shape

    def __call__(self, x: Float[np.ndarray, "query *feature"]) -> Float[np.ndarray, "query *encoded"]:
        """Encoded queries in float64."""
        with jax.enable_x64(True):
            return np.asarray(encode(np.asarray(x, np.float64), self.center, self.scale, self.categories))


def encoding(inputs: Inputs) -> Encoding:
    """The encoding of what a service documents of its inputs."""
    half = (inputs.high - inputs.low) / 2
    categories = tuple(int(n) for n in inputs.categories.ravel())
    return Encoding((inputs.low + inputs.high) / 2, np.where(half > 0, half, 1.0), categories)


def encode(x: Any, center: Any, scale: Any, categories: tuple[int, ...]) -> jax.Array:
    """Queries as a network sees them: ["query *encoded"]."""
    scaled = (x - center[None]) / scale[None]
    if not any(categories):
        return scaled
    flat, raw = (part.reshape(len(x), -1)[..., None] for part in (scaled, x))
    values = [jnp.arange(n, dtype=x.dtype)[None] for n in categories]
    blocks = [(raw[:, i] == values[i]).astype(x.dtype) if n else flat[:, i] for i, n in enumerate(categories)]
    return jnp.concatenate(blocks, axis=1)


def network(substitute: Substitute, shape: tuple[int, ...], classes: int) -> Model:
    """The network of encoded queries of a shape, its parameters under flat names such as ``layers.0.kernel``.

    Raises:
        InputError: an architecture that does not fit the shape.
    """
    if substitute.family == "rbf":
        return _rbf(substitute.landmarks, math.prod(shape), classes)
    return _by_name(build(substitute.architecture, shape, classes, activation=substitute.activation))


def _model(init: Callable[[Any], dict[str, Any]], logits: Callable[[dict[str, Any], Any], Any]) -> Model:
    """A Model without batch statistics, of functions of parameters under flat names."""

    def apply(variables: Variables, x: Any) -> jax.Array:
        return logits(variables.params, x)

    return Model(lambda key: Variables(init(key), {}), apply, lambda variables, x, _key: (apply(variables, x), {}))


@cache
def _by_name(model: Model) -> Model:
    leaves, tree = jax.tree_util.tree_flatten_with_path(jax.eval_shape(model.init, jax.random.key(0)).params)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves]
    return _model(
        lambda key: dict(zip(names, jax.tree.leaves(model.init(key).params), strict=True)),
        lambda own, x: model.apply(Variables(jax.tree.unflatten(tree, [own[name] for name in names]), {}), x),
    )


@cache
def _rbf(landmarks: int, features: int, classes: int) -> Model:
    return _model(
        lambda key: {
            "landmark": jax.random.uniform(key, (landmarks, features), minval=-1.0),
            "gamma": jnp.asarray(1.0 / features),
            "coefficient": jnp.zeros((landmarks, classes)),
            "bias": jnp.zeros(classes),
        },
        lambda own, x: rbf.logits(own, x.reshape(len(x), -1)),
    )


@cache
def on_queries(inner: Model, shape: tuple[int, ...], categories: tuple[int, ...]) -> Model:
    """A network behind its encoding, of which ``center`` and ``scale`` are parameters; it computes in the queries' precision."""

    def logits(parameters: dict[str, Any], x: Any) -> jax.Array:
        own = {name: jnp.asarray(value).astype(x.dtype) for name, value in parameters.items()}
        return inner.apply(Variables(own, {}), encode(x, own.pop("center"), own.pop("scale"), categories))

    return _model(lambda key: {"center": jnp.zeros(shape), "scale": jnp.ones(shape), **inner.init(key).params}, logits)
