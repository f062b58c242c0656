"""Batch norm with its activation, and the last layer, against Flax and the gradients that JAX derives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxattack.models.layers import _logits, batch_norm, identity

ACTIVATIONS = {"none": identity, "relu": nnx.relu, "gelu": nnx.gelu}
X = 2 + 3 * jax.random.normal(jax.random.key(0), (6, 5, 4, 3))
WEIGHT = jax.random.normal(jax.random.key(1), X.shape)


def layers(training=True):
    """Ours, and Flax's."""
    ours, twin = batch_norm(3, nnx.Rngs(0)), nnx.BatchNorm(3, momentum=0.9, rngs=nnx.Rngs(0))
    for norm in (ours, twin):
        norm.scale[...], norm.bias[...] = jnp.array([0.5, -2.0, 1.0]), jnp.array([1.0, 0.0, -0.5])
        norm.mean[...], norm.var[...] = jnp.array([1.0, 2.0, 3.0]), jnp.array([9.0, 1.0, 4.0])
        norm.train() if training else norm.eval()
    return [nnx.split(norm) for norm in (ours, twin)]


def answers(activation, training=True):
    """(state, x) -> what is answered and the statistics, ours and Flax's."""
    (ours, state), (twin, _) = layers(training)

    def by_ours(state, x):
        norm = nnx.merge(ours, state)
        return norm(x, activation), norm.mean[...], norm.var[...]

    def by_twin(state, x):
        norm = nnx.merge(twin, state)
        return activation(norm(x)), norm.mean[...], norm.var[...]

    return nnx.as_pure(state), by_ours, by_twin


def close(found, expected, tolerance=2e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), found, expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_answers_and_statistics_are_those_of_flax(name, training):
    state, ours, twin = answers(ACTIVATIONS[name], training)
    close(ours(state, X), twin(state, X))


def naive(activation):
    """(scale, bias, x) -> what is answered, by its formula, and the statistics that are kept."""

    def answer(scale, bias, x):
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        wide = (each[None, None, None] for each in (mean, var, scale, bias))
        m, v, s, b = wide
        return activation((x - m) / jnp.sqrt(v + 1e-5) * s + b), 0.1 * mean, 0.1 * var

    return answer


def of_layer(activation):
    """The same by the layer, whose statistics start from 0."""
    state, ours, _ = answers(activation)

    def answer(scale, bias, x):
        start = jnp.zeros(3)
        return ours({**state, "scale": scale, "bias": bias, "mean": start, "var": start}, x)

    return answer


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_are_those_that_jax_derives_through_answers_and_statistics(name):
    given = jnp.array([0.5, -2.0, 1.0]), jnp.array([1.0, 0.0, -0.5]), X

    def loss(answer, *given):
        y, mean, var = answer(*given)
        return jnp.sum(y * WEIGHT) + jnp.sum(jnp.sin(mean)) + 3 * jnp.sum(jnp.cos(var))

    ways = of_layer(ACTIVATIONS[name]), naive(ACTIVATIONS[name])
    found, expected = (jax.grad(loss, argnums=(1, 2, 3))(answer, *given) for answer in ways)
    close(found, expected, 2e-4)


def test_deployed_gradients_are_those_of_flax():
    state, ours, twin = answers(nnx.gelu, training=False)
    found, expected = (
        jax.grad(lambda state, x, answer=answer: jnp.sum(answer(state, x)[0] * WEIGHT), argnums=(0, 1))(state, X)
        for answer in (ours, twin)
    )
    close(found, expected, 2e-4)


def test_a_gradient_can_be_differentiated_once_more():
    given = jnp.array([0.5, -2.0, 1.0]), jnp.array([1.0, 0.0, -0.5])

    def length(answer, x):
        gradient = jax.grad(lambda x: jnp.sum(answer(*given, x)[0] * WEIGHT))(x)
        return jnp.sum(gradient**2)

    ways = of_layer(nnx.gelu), naive(nnx.gelu)
    found, expected = (jax.grad(lambda x, answer=answer: length(answer, x))(X) for answer in ways)
    close(found, expected, 2e-4)


def test_many_are_normalised_at_once_as_one_by_one():
    state, ours, _ = answers(nnx.gelu)
    many = jnp.stack([X, 2 * X - 1])
    gradient = jax.grad(lambda x: jnp.sum(ours(state, x)[0] * WEIGHT))
    close(jax.vmap(gradient)(many), jnp.stack([gradient(x) for x in many]))


def test_in_bfloat16_it_computes_in_float32_and_answers_and_differentiates_in_bfloat16():
    state, ours, _ = answers(nnx.gelu)
    low = X.astype(jnp.bfloat16)
    y, mean, var = ours(state, low)
    exact = ours(state, low.astype(jnp.float32))
    gradient = jax.grad(lambda x: jnp.sum(ours(state, x)[0].astype(jnp.float32) * WEIGHT))
    assert (y.dtype, mean.dtype, var.dtype, gradient(low).dtype) == ("bfloat16", "float32", "float32", "bfloat16")
    close((mean, var), exact[1:])
    close(y.astype(jnp.float32), exact[0], 2**-8)
    close(gradient(low).astype(jnp.float32), gradient(low.astype(jnp.float32)), 2e-2)


def test_a_constant_channel_is_its_bias():
    state, ours, _ = answers(identity)
    y, *_ = ours(state, jnp.full((2, 2, 2, 3), 7.0))
    close(y, np.broadcast_to([1.0, 0.0, -0.5], y.shape))


def logits_of(kind, x, kernel):
    """By the layer's product, or by plain JAX."""
    dimensions = (((1,), (0,)), ((), ()))
    if kind == "ours":
        return _logits(x, kernel, dimensions)
    return jax.lax.dot_general(x, kernel, dimensions, preferred_element_type=jnp.float32)


@pytest.mark.parametrize("precision", [jnp.float32, jnp.bfloat16], ids=str)
@pytest.mark.parametrize(("records", "inputs", "classes"), [(6, 5, 3), (1, 5, 3), (6, 3, 5)])
def test_the_last_layer_has_the_product_and_the_gradients_of_jax(records, inputs, classes, precision):
    keys = jax.random.split(jax.random.key(2), 3)
    x, kernel = (
        jax.random.normal(k, s, precision) for k, s in zip(keys, ((records, inputs), (inputs, classes)), strict=False)
    )
    cotangent = jax.random.normal(keys[2], (records, classes))
    (ours, ours_back), (twin, twin_back) = (
        jax.vjp(lambda *a, k=k: logits_of(k, *a), x, kernel) for k in ("ours", "twin")
    )
    assert ours.dtype == twin.dtype == jnp.float32
    np.testing.assert_array_equal(ours, twin)
    # Of rounded factors the twin's gradient may round the cotangent too, to eight bits.
    for found, expected in zip(ours_back(cotangent), twin_back(cotangent), strict=True):
        assert found.dtype == expected.dtype == precision
        close(found.astype(jnp.float32), expected.astype(jnp.float32), 1e-6 if precision == jnp.float32 else 0.02)


def test_gradients_of_gradients_through_the_last_layer_are_those_of_jax_for_each_of_several_networks():
    keys = jax.random.split(jax.random.key(3), 2)
    x, kernels = jax.random.normal(keys[0], (6, 5)), jax.random.normal(keys[1], (4, 5, 3))

    def curvature(kind, kernel):
        slope = jax.grad(lambda kernel: jnp.sum(jnp.tanh(logits_of(kind, x, kernel))))
        return jax.grad(lambda kernel: jnp.sum(slope(kernel) ** 2))(kernel)

    ours, twin = (jax.vmap(lambda kernel, kind=kind: curvature(kind, kernel))(kernels) for kind in ("ours", "twin"))
    close(ours, twin, 1e-5)
