"""Tables on one scale: columns less their mean and over their standard deviation, both of the model's own members.

The mean and the deviation belong to the model, as batch statistics do: it takes records as they are, whoever asks. What
it learnt from its members' scale is part of what it may give away.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.types import Membership, Model, Variables


class Scaled(NamedTuple):
    """The ``rest`` of a model that standardises its input.

    Attributes:
        rest: of the model within.
        mean: what is taken off each column; 0 for those that stay.
        deviation: what each is divided by; 1 for those that stay, or that are constant.
    """

    rest: Any
    mean: Float[jax.Array, "feature"]
    deviation: Float[jax.Array, "feature"]


@cache
def standardised(model: Model, features: int) -> Model:
    """A Model that puts records on its own scale first; the same model gives the same object.

    Args:
        model: what takes the records once scaled.
        features: columns of a record.

    Returns:
        The Model; a new one leaves records as they are until `fitted`.
    """

    def scaled(variables, x):
        return (x - variables.rest.mean[None]) / variables.rest.deviation[None]

    def init(key):
        within = model.init(key)
        return Variables(within.params, Scaled(within.rest, jnp.zeros(features), jnp.ones(features)))

    def apply(variables, x):
        return model.apply(Variables(variables.params, variables.rest.rest), scaled(variables, x))

    def forward(variables, x, key):
        logits, rest = model.forward(Variables(variables.params, variables.rest.rest), scaled(variables, x), key)
        return logits, variables.rest._replace(rest=rest)

    return Model(init, apply, forward)


def fitted(model: Model, columns: Sequence[bool], x: Shaped[jax.Array, "record feature"], member: Membership) -> Model:
    """A standardised Model that starts from the scale of some members; it may be traced.

    Args:
        model: from `standardised`.
        columns: which columns are scaled.
        x: all records.
        member: which of them are members.
    """
    records, weight = x[member.index], member.weight[:, None]
    # From one of the members on, a column that is constant among them has no spread, however it rounds.
    apart = records - records[:1]
    off = (apart * weight).sum(axis=0) / weight.sum()
    mean = records[0] + off
    spread = jnp.sqrt((jnp.square(apart - off[None]) * weight).sum(axis=0) / weight.sum())
    mask = jnp.asarray(columns)
    mean, deviation = jnp.where(mask, mean, 0.0), jnp.where(mask & (spread > 0), spread, 1.0)

    def init(key):
        start = model.init(key)
        return start._replace(rest=start.rest._replace(mean=mean, deviation=deviation))

    return model._replace(init=init)


_FIRST = {"kernels/0": "bias", "layers/0/kernel": "layers/0/bias"}
"""The paths of a first layer's weights that can take a scale up, and of its bias."""


def _leaves(params: Any) -> tuple[dict[str, Any], Any]:
    paths, tree = jax.tree_util.tree_flatten_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in paths}, tree


def takes_scale(variables: Variables) -> bool:
    """Whether the weights of a network can take up a scale of its columns, as `folded` has them do."""
    leaves, _ = _leaves(variables.params)
    return any({first, bias} <= leaves.keys() for first, bias in _FIRST.items())


def folded(variables: Variables) -> Variables:
    """The same function as softmax regression or a multilayer perceptron of records as they are.

    The scale goes into the first layer's weights, so that nothing is left that a reader of weights could overlook.

    Args:
        variables: of a standardised ``softmax``, ``mlp`` or ``homogeneous`` (`jaxattack.models.nets`).
    """
    mean, deviation = (np.asarray(part, np.float64) for part in variables.rest[1:])
    leaves, tree = _leaves(variables.params)
    first, bias = next(names for names in _FIRST.items() if names[0] in leaves)
    kernel = np.asarray(leaves[first], np.float64) / deviation[:, None]
    leaves[bias] = jnp.float32(np.asarray(leaves[bias], np.float64) - mean @ kernel)
    leaves[first] = jnp.float32(kernel)
    return Variables(jax.tree_util.tree_unflatten(tree, leaves.values()), variables.rest.rest)
