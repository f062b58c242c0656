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
from functools import cache, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import helmert

from jaxattack.attacks.extraction import substitute
from jaxattack.attacks.extraction.equations.features import FEATURE_MAPS, Columns
from jaxattack.attacks.extraction.equations.tape import Saturated
from jaxattack.attacks.extraction.verification import Theft
from jaxattack.attacks.search.least_squares import Residual
from jaxattack.types import Access, Answer, Draft, Level, Model, Variables

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
    """Of a network with one hidden layer; the activation is one of `ACTIVATIONS`."""
    act = ACTIVATIONS[activation]
    return lambda p, x: act(x @ p["weight0"].T + p["bias0"][None]) @ p["weight1"].T + p["bias1"][None]


def rbf_logits(p: Mapping[str, Any], x: jax.Array) -> jax.Array:
    """Of kernel logistic regression with a Gaussian kernel."""
    apart = ((x[:, None] - p["representer"][None]) ** 2).sum(axis=2)
    return jnp.exp(-p["gamma"] * apart) @ p["coefficient"] + p["bias"][None]


@cache
def score_residual(logits: Logits, level: Level, classes: int) -> Residual:
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
def stolen_model(
    logits: Logits, coding: tuple[str, tuple[int, ...]] | None, sizes: tuple[tuple[str, tuple[int, ...]], ...]
) -> Model:
    """The Model of logits of columns, which a feature map and categories make; without those of a record's numbers.

    The same arguments give the same object; ``sizes`` names each parameter and its shape.
    """

    def init(key: jax.Array) -> Variables:
        keys = jax.random.split(key, len(sizes))
        return Variables({name: jax.random.normal(k, size) for k, (name, size) in zip(keys, sizes, strict=True)}, {})

    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        p = {name: jnp.asarray(value).astype(x.dtype) for name, value in variables.params.items()}
        if coding is None:
            return logits(p, x.reshape(len(x), -1))
        return logits(p, FEATURE_MAPS[coding[0]](x, p["center"], p["scale"], coding[1]))

    return Model(init, apply, lambda variables, x, _key: (apply(variables, x), variables.rest))


def draft(
    logits: Logits, parameters: Mapping[str, Any], access: Access, columns: Columns | None = None, **fields: Any
) -> Draft:
    """A Draft whose answers are those of a model in float64; of a regressor its one output alone."""
    arrays = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    coding = None if columns is None or columns.folds else (columns.features, columns.coding.categories)
    model = stolen_model(logits, coding, tuple((name, value.shape) for name, value in arrays.items()))
    copy = substitute.Stolen(model, arrays)

    def answer(x: np.ndarray) -> Answer:
        if access.classes > 1:
            return copy.answer(x)
        return Answer(np.zeros(len(x), np.int64), None, copy.logits(x))

    return Draft(stolen=arrays, answer=answer, parameters=arrays, model=model, **fields)


def or_constant(run: Callable[[Any, Theft], Draft]) -> Callable[[Any, Theft], Draft]:
    """An attack's run that ends, where all answers are saturated, in the constant model of the labels that were answered."""

    @wraps(run)
    def safe(attack: Any, theft: Theft) -> Draft:
        try:
            return run(attack, theft)
        except Saturated as saturated:
            access = theft.access
            count = np.bincount(saturated.label, minlength=access.classes)
            weight = np.zeros((access.inputs.low.size, access.classes))
            parameters = {"weight": weight, "bias": remove_mean(np.log(1 + count))}
            return draft(
                softmax_logits, parameters, access, stop=f"{saturated}", notes={"saturated": count.sum().item()}
            )

    return safe


def remove_mean(weight: np.ndarray) -> np.ndarray:
    """Without the mean over classes, the last axis: what no probability depends on."""
    return weight - weight.mean(axis=-1, keepdims=True)
