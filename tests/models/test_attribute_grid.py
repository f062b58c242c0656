"""The masked program of a grid of architectures is each plain network of it, in answers, gradients and training."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxattack.models import attribute_grid
from jaxattack.models.attribute_grid import ATTRIBUTES, DROPOUT, Codes, GridNetwork, draw_codes, network_model
from jaxattack.types import InputError

SHAPE, CLASSES = (8, 8, 1), 3
GRID = GridNetwork(shape=SHAPE, classes=CLASSES, filters=3, width=5)
ACTIVATIONS = (nnx.relu, nnx.elu, None, nnx.tanh)


class Plain(nnx.Module):
    """One architecture of the grid, written with Flax's own layers."""

    def __init__(self, codes, rngs):
        code = Codes(*(int(each) for each in codes))
        side, filters, width = 3 + 2 * code.kernel, GRID.filters, GRID.width
        stride, around = (2, 1)[code.pooling], side // 2
        sizes = [1, *[filters] * (2 + code.convolutions)]
        self.convolutions = nnx.List(
            nnx.Conv(a, b, (side, side), stride if not number else 1, padding=[(around, around)] * 2, rngs=rngs)
            for number, (a, b) in enumerate(itertools.pairwise(sizes))
        )
        widths = [16 * filters, *[width] * (1 + code.dense), CLASSES]
        self.dense = nnx.List(nnx.Linear(a, b, rngs=rngs) for a, b in itertools.pairwise(widths))
        layers = len(self.convolutions) + len(self.dense) - 1
        self.activations = (
            nnx.List([nnx.PReLU(0.25) for _ in range(layers)])
            if code.activation == 2
            else [ACTIVATIONS[code.activation]] * layers
        )
        self.pool = code.pooling == 1

    def __call__(self, x, scale):
        for number, layer in enumerate(self.convolutions):
            x = layer(x)
            if number == 0 and self.pool:
                x = nnx.max_pool(x, (2, 2), (2, 2))
            x = self.activations[number](x)
        x = x.reshape(len(x), -1)
        for number, layer in enumerate(self.dense[:-1], start=len(self.convolutions)):
            x = self.activations[number](layer(x))
            x = x * scale[number - len(self.convolutions)]
        return self.dense[-1](x)


def plain(codes, weights):
    """The plain network with the same weights, and as a function of them."""
    code = Codes(*(int(each) for each in codes))
    edge = 1 - code.kernel
    cut = slice(edge, 5 - edge)
    module = Plain(codes, nnx.Rngs(0))
    deep = 2 + code.convolutions

    def answer(weights, x, scale):
        copy = nnx.clone(module)
        kernels = [weights.first, *weights.kernels][:deep]
        for layer, kernel, bias in zip(copy.convolutions, kernels, weights.shifts, strict=False):
            layer.kernel[...], layer.bias[...] = kernel[cut, cut], bias
        dense = [weights.flat, *weights.hidden][: 1 + code.dense]
        for layer, kernel, bias in zip(copy.dense, dense, weights.biases, strict=False):
            layer.kernel[...], layer.bias[...] = kernel, bias
        copy.dense[-1].kernel[...], copy.dense[-1].bias[...] = weights.last, weights.bias
        if code.activation == 2:
            slopes = [*weights.slopes[:deep], *weights.slopes[4 : 5 + code.dense]]
            for activation, slope in zip(copy.activations, slopes, strict=True):
                activation.negative_slope[...] = slope
        return copy(x, scale)

    return answer


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (6, *SHAPE)).astype(np.float32), rng.integers(CLASSES, size=6)


COVERING = (
    Codes(0, 0, 0, 0, 0, 0, 0, 0, 0),
    Codes(1, 0, 1, 1, 2, 2, 1, 1, 2),
    Codes(2, 1, 1, 0, 1, 1, 2, 2, 6),
    Codes(3, 1, 0, 1, 1, 0, 0, 1, 4),
)
"""Every value of every attribute of an architecture, at least once."""


def random_weights(codes, seed=0):
    """Weights of which none is 0, as biases are at the beginning."""
    weights = GRID.init(jax.random.key(seed), jnp.asarray(codes))
    leaves, tree = jax.tree.flatten(weights)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    return jax.tree.unflatten(
        tree, [leaf + 0.1 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    )


def loss_of(answer, y):
    return lambda weights, *records: optax.softmax_cross_entropy_with_integer_labels(
        answer(weights, *records), y
    ).mean()


@jax.jit
def masked(weights, codes, x, y, key):
    """Answers and gradients, both in use and with dropout, of whatever architecture."""
    results = []
    for own in (None, key):
        answer = lambda weights, own=own: GRID.logits(weights, codes, GRID.patches(x), own)  # noqa: E731
        results.append((answer(weights), jax.grad(loss_of(lambda w, answer=answer: answer(w), y))(weights)))
    return results


@pytest.mark.parametrize("codes", COVERING, ids=lambda codes: "".join(map(str, codes)))
def test_a_masked_network_is_the_plain_one_forward_and_backward(codes, records):
    x, y = records
    weights, key = random_weights(codes), jax.random.key(3)
    in_use, dropping = masked(weights, jnp.asarray(codes), x, y, key)
    answer = plain(codes, weights)
    both = jax.jit(lambda w, x, scale: (answer(w, x, scale), jax.grad(loss_of(answer, y))(w, x, scale)))
    keep = jax.random.uniform(key, (3, len(x), GRID.width)) >= DROPOUT * codes.dropout
    scale = jnp.where(keep, 1 / (1 - DROPOUT * codes.dropout), 0)
    for ours, theirs in ((in_use, both(weights, x, jnp.ones_like(scale))), (dropping, both(weights, x, scale))):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6), ours, theirs)


def test_both_forms_of_convolution_are_the_one_of_jax():
    x = jax.random.normal(jax.random.key(0), (2, 9, 8, 2))
    kernel = jax.random.normal(jax.random.key(1), (5, 5, 2, 3))
    for rows in (9, 8):  # 72 places take patches, 64 the matrix
        part = x[:, :rows]
        expected = jax.lax.conv_general_dilated(
            part, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        np.testing.assert_allclose(jax.jit(attribute_grid._convolve)(part, kernel), expected, atol=1e-4)


def test_a_network_of_the_grid_is_a_model_like_any_other(records):
    codes = (2, 1, 1, 0, 1, 1, 2, 2, 6)
    model, key = network_model(GRID, codes), jax.random.key(1)
    assert model is network_model(GRID, codes)
    x, y = jnp.asarray(records[0]), records[1]
    variables = model.init(jax.random.key(0))
    (used, _), (dropped, _) = masked(variables.params, jnp.asarray(codes), x, y, key)
    np.testing.assert_allclose(jax.jit(model.apply)(variables, x), used, atol=1e-6)
    np.testing.assert_allclose(jax.jit(model.forward)(variables, x, key)[0], dropped, atol=1e-6)


def test_values_are_drawn_alike_and_independently_of_how_many():
    codes = draw_codes(3000, seed=1)
    np.testing.assert_array_equal(codes[:7], draw_codes(7, seed=1))
    for column, attribute in zip(codes.T, ATTRIBUTES, strict=True):
        share = np.bincount(column, minlength=len(attribute.values)) / len(codes)
        np.testing.assert_allclose(share, 1 / len(attribute.values), atol=0.05)
    assert abs(np.corrcoef(codes.T) - np.eye(len(ATTRIBUTES))).max() < 0.08
    assert (*Codes._fields,) == tuple(attribute.name for attribute in ATTRIBUTES)


def test_records_that_are_no_images_are_refused():
    with pytest.raises(InputError, match="take images of 4x4 or more"):
        GridNetwork(shape=(30,), classes=2)
