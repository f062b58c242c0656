"""What equation solving leaves: parameters, the Model that takes them, and the answers of the two.

    family        logits, up to a number shared by the classes         parameters
    softmax       phi(x) W + b                                         weight, bias
    one-vs-rest   ln sigmoid(phi(x) W + b): their softmax divides      weight, bias
                  the sigmoids by their sum, as scikit-learn does
    network       V act(W x + b) + c                                   weight0, bias0, weight1, bias1
    rbf           sum_r a_r exp(-gamma |x - x_r|^2) + b                representer, coefficient, gamma, bias

phi is a feature map (`features`); where it is not plain numbers, ``center`` and ``scale`` are parameters too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import helmert

from jaxattack.attacks.extraction import substitute
from jaxattack.attacks.extraction.equations.features import FEATURE_MAPS, Columns
from jaxattack.attacks.search.least_squares import Residual
from jaxattack.types import Access, Answer, Draft, Model, Variables

Logits = Callable[[Mapping[str, Any], jax.Array], jax.Array]
"""Parameters and x["query feature"] -> logits["query cls"]."""

ACTIVATIONS: dict[str, Callable[[Any], jax.Array]] = {
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
}


def softmax_logits(p: Mapping[str, Any], x: jax.Array) -> jax.Array:
    """Of softmax regression on columns."""
    return x @ p["weight"] + p["bias"][None]


def one_vs_rest_logits(p: Mapping[str, Any], x: jax.Array) -> jax.Array:
    """Of sigmoids divided by their sum."""
    return jax.nn.log_sigmoid(softmax_logits(p, x))


@cache
def network_logits(activation: str) -> Logits:
    """Of a network with one hidden layer; the activation is one of `ACTIVATIONS`, or power2, power3, ..."""
    act = (lambda z: z ** int(activation[5:])) if activation.startswith("power") else ACTIVATIONS[activation]
    return lambda p, x: act(x @ p["weight0"].T + p["bias0"][None]) @ p["weight1"].T + p["bias1"][None]


def rbf_logits(p: Mapping[str, Any], x: jax.Array) -> jax.Array:
    """Of kernel logistic regression with a Gaussian kernel."""
    apart = ((x[:, None] - p["representer"][None]) ** 2).sum(axis=2)
    return jnp.exp(-p["gamma"] * apart) @ p["coefficient"] + p["bias"][None]


@cache
def score_residual(logits: Logits, level: str, classes: int) -> Residual:
    """Weight times the equations of scores, as in `terms.equations`."""
    basis = np.eye(classes) if level == "logit" else helmert(classes).T

    def residual(parameters: Mapping[str, Any], x: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
        return weight * ((logits(parameters, x[None])[0] - target) @ basis.astype(x.dtype))

    return residual


@cache
def probability_residual(logits: Logits) -> Residual:
    """Weight times the difference between the probabilities; the targets are probabilities."""

    def residual(parameters: Mapping[str, Any], x: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
        return weight * (jax.nn.softmax(logits(parameters, x[None])[0]) - target)

    return residual


@cache
def linear_model(
    link: Logits, features: str, shape: tuple[int, ...], categories: tuple[int, ...], outputs: int
) -> Model:
    """The Model of `softmax_logits` or `one_vs_rest_logits` on a feature map. The same arguments give the same object."""
    coded = features != "linear" or any(categories)

    def columns(p: Mapping[str, Any], x: jax.Array) -> jax.Array:
        if not coded:
            return x.reshape(len(x), -1)
        return FEATURE_MAPS[features](x, p["center"].astype(x.dtype), p["scale"].astype(x.dtype), categories)

    def init(key: jax.Array) -> Variables:
        fixed = {"center": jnp.zeros(shape), "scale": jnp.ones(shape)} if coded else {}
        width = jax.eval_shape(lambda: columns(fixed, jnp.zeros((1, *shape)))).shape[1]
        weight = jax.random.normal(key, (width, outputs)) / jnp.sqrt(width)
        return Variables({**fixed, "weight": weight, "bias": jnp.zeros(outputs)}, {})

    return _model(init, lambda p, x: link(p, columns(p, x)))


@cache
def flat_model(logits: Logits, sizes: tuple[tuple[str, tuple[int, ...]], ...]) -> Model:
    """The Model of logits that take a record's numbers as they are; ``sizes`` names each parameter and its shape."""

    def init(key: jax.Array) -> Variables:
        keys = jax.random.split(key, len(sizes))
        return Variables({name: jax.random.normal(k, size) for k, (name, size) in zip(keys, sizes, strict=True)}, {})

    return _model(init, lambda p, x: logits(p, x.reshape(len(x), -1)))


def _model(init: Callable[[jax.Array], Variables], logits: Logits) -> Model:
    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        return logits(jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(x.dtype), variables.params), x)

    return Model(init, apply, lambda variables, x, _key: (apply(variables, x), variables.rest))


def linear_draft(
    link: Logits, columns: Columns, access: Access, weight: np.ndarray, bias: np.ndarray, **fields: Any
) -> Draft:
    """A Draft of weights of columns."""
    coding = columns.coding
    model = linear_model(link, columns.features, access.inputs.shape, coding.categories, access.classes)
    return draft(model, columns.parameters(weight, bias), access, **fields)


def flat_draft(logits: Logits, parameters: Mapping[str, Any], access: Access, **fields: Any) -> Draft:
    """A Draft of parameters for a record's numbers as they are."""
    sizes = tuple((name, np.shape(value)) for name, value in parameters.items())
    return draft(flat_model(logits, sizes), parameters, access, **fields)


def draft(model: Model, parameters: Mapping[str, Any], access: Access, **fields: Any) -> Draft:
    """A Draft whose answers are those of a model.

    Args:
        model: takes the parameters.
        parameters: named arrays.
        access: the victim's terms.
        fields: other fields of the Draft.
    """
    arrays = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    return Draft(
        stolen=arrays,
        answer=answering(model, arrays, access),
        parameters=arrays,
        model=model,
        **fields,
    )


def answering(model: Model, parameters: Mapping[str, np.ndarray], access: Access) -> Callable[[np.ndarray], Answer]:
    """Queries -> labels, probabilities and logits of a model in float64; of a regressor its one output alone."""
    copy = substitute.Stolen(model, dict(parameters))

    def answer(x: np.ndarray) -> Answer:
        if access.classes > 1:
            return copy.answer(x)
        return Answer(np.zeros(len(x), np.int64), None, copy.logits(x))

    return answer


def remove_mean(weight: np.ndarray) -> np.ndarray:
    """Without the mean over classes, the last axis: what no probability depends on."""
    return weight - weight.mean(axis=-1, keepdims=True)
