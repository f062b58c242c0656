"""Norms of gradients of the loss of one record, for who holds the weights (Nasr, Shokri and Houmansadr 2019).

    gradient_norm          |d loss / d weights|_2, of all of them
    gradient_norm_0        of those of the first layer
    layer_gradient_norms   of those of each layer, all at once
    input_gradient_norm    |d loss / d x|_2, x as the network takes it

The loss is the cross entropy of the deployed model: no dropout, batch norm with its running statistics. Dense layers take
one backward pass of the whole batch and no gradient of a record (`jaxattack.signals.ghost`); those of other parameters are
formed for a group of records and reduced to norms before the next one. For the last dense layer the norm is known in
closed form, |softmax(z) - onehot(y)| sqrt(|h|^2 + 1) of its inputs h, with a bias.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import optax

from jaxattack.signals import ghost
from jaxattack.signals.scores import Labels, Logits, Values
from jaxattack.types import InputError, Sight, View, at_least, config

GROUP = 16
"""Records whose gradients lie in memory at the same time: 16 times the weights, as those of a DP-SGD step do."""


@config
class GradientNorm:
    """The norm of a record's gradient in the weights.

    Attributes:
        layer: which layer alone, counted from 0 in the order of the model's parameters, weights and bias together; all
            by default.

    Raises:
        InputError: a layer below 0.
    """

    paper = "Nasr et al. 2019"
    queries = 1

    layer: int | None = None

    def __post_init__(self) -> None:
        at_least(0, layer=self.layer)

    @property
    def sees(self) -> Sight:
        """The weights."""
        return "weights"

    @property
    def name(self) -> str:
        """``gradient_norm``, and the layer's number."""
        return "gradient_norm" if self.layer is None else f"gradient_norm_{self.layer}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:  # noqa: ARG002
        """As `jaxattack.types.Signal`.

        Raises:
            InputError: the model has no such layer.
        """
        layers = layers_of(view.variables.params)
        if self.layer is not None:
            if self.layer >= len(layers):
                raise InputError(f"layer is {self.layer} and the model has {len(layers)}: give 0 to {len(layers) - 1}.")
            layers = [layers[self.layer]]
        by_leaf = _squares(view, x, y, set().union(*layers))
        return jnp.sqrt(_sum(by_leaf, by_leaf))


@config
class LayerGradientNorms:
    """The norm of a record's gradient in the weights of each layer, ["record layer"], in the order of the parameters."""

    name = "layer_gradient_norms"
    paper = "Nasr et al. 2019, arXiv 1812.00910"
    queries = 1

    @property
    def sees(self) -> Sight:
        """The weights."""
        return "weights"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:  # noqa: ARG002
        """As `jaxattack.types.Signal`."""
        layers = layers_of(view.variables.params)
        by_leaf = _squares(view, x, y, set().union(*layers))
        return jnp.stack([jnp.sqrt(_sum(by_leaf, layer)) for layer in layers], axis=1)


def layers_of(params) -> list[set[int]]:
    """Of each layer, weights and bias together, the places of its arrays among the leaves of the parameters."""
    layers: dict[tuple, set[int]] = {}
    for place, (path, _) in enumerate(jax.tree_util.tree_leaves_with_path(params)):
        layers.setdefault(path[:-1], set()).add(place)
    return list(layers.values())


def _squares(view: View, x: jax.Array, y: Labels, leaves: set[int]) -> dict[int, Values]:
    """Place of a leaf -> the squared norm of each record's gradient in it."""
    traced = ghost.trace(view.model, view.variables, x)
    squares = {}
    if dense := traced.leaves & leaves:
        by_leaf = ghost.squared_norms(traced, view.variables, x, lambda z: _losses(z, y))
        squares = {leaf: by_leaf[leaf] for leaf in dense}
    if others := leaves - dense:
        squares |= _formed(view, x, y, others)
    return squares


def _losses(z: Logits, y: Labels) -> Values:
    """The cross entropy of each record."""
    return optax.softmax_cross_entropy_with_integer_labels(z, y)


def _sum(by_leaf: Mapping[int, Values], leaves: Iterable[int]) -> Values:
    first, *others = [by_leaf[leaf] for leaf in sorted(leaves)]
    return sum(others, first)


def _formed(view: View, x: jax.Array, y: Labels, places: set[int]) -> dict[int, Values]:
    """Place of a leaf -> the squared norm of each record's gradient in it, from the gradient itself."""
    leaves, tree = jax.tree.flatten(view.variables.params)
    order = sorted(places)

    def loss(part, one, label):
        params = [*leaves]
        for place, leaf in zip(order, part, strict=True):
            params[place] = leaf
        z = view.model.apply(view.variables._replace(params=jax.tree.unflatten(tree, params)), one[None])
        return _losses(z, label[None])[0]

    def square(record):
        return [jnp.sum(part**2) for part in jax.grad(loss)([leaves[place] for place in order], *record)]

    return dict(zip(order, jax.lax.map(square, (x, y), batch_size=GROUP), strict=True))


@config
class InputGradientNorm:
    """The norm of a record's gradient in the record itself."""

    name = "input_gradient_norm"
    paper = "Nasr et al. 2019"
    queries = 1

    @property
    def sees(self) -> Sight:
        """The weights."""
        return "weights"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:  # noqa: ARG002
        """As `jaxattack.types.Signal`."""

        def total(x):  # deployed models answer each record by itself, so that one gradient is that of every record
            z = view.model.apply(view.variables, x)
            return jnp.sum(_losses(z, y))

        return jnp.sqrt(jnp.sum(jax.grad(total)(x).reshape(len(y), -1) ** 2, axis=1))
