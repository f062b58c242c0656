"""Inner products of gradients that are never formed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxattack as ja
from jaxattack.attacks.inversion.gradient.ghost import products
from jaxattack.attacks.inversion.gradient.matching import dot
from jaxattack.attacks.inversion.gradient.update import mean_gradient
from jaxattack.models.conv import using
from jaxattack.types import Model, Variables

RECORDS = 3


def _case(model, shape):
    variables = model.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (RECORDS, *shape))
    target = jax.nn.softmax(jax.random.normal(jax.random.key(2), (RECORDS, 10)))
    sent = jax.tree.map(lambda leaf: jax.random.normal(jax.random.key(leaf.size), leaf.shape), variables.params)
    return variables, x, target, sent


@pytest.mark.parametrize(
    ("name", "shape"), [("softmax", (64,)), ("mlp:32-16", (64,)), ("mlp:2", (8, 8, 1)), ("lenet:2", (8, 8, 1))]
)
def test_they_are_those_of_the_gradient_and_so_are_their_derivatives(name, shape):
    model = ja.models.build(name, shape, 10, activation="tanh")
    variables, x, target, sent = _case(model, shape)

    def formed(x):
        g = mean_gradient(model, variables, x, target, False)[0]
        return dot(g, sent), dot(g, g)

    def ghost(x):
        return products(model, variables, x, target, sent)

    def look(pair):
        with using("lax"):
            return jax.jit(lambda x: (pair(x), jax.grad(lambda x: pair(x)[0] + 3 * pair(x)[1])(x)))(x)

    for found, wanted in zip(jax.tree.leaves(look(ghost)), jax.tree.leaves(look(formed)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_the_gradient_of_one_record_has_the_norm_of_its_two_factors():
    model = ja.models.build("softmax", (5,), 10)
    variables, x, target, sent = _case(model, (5,))
    _, own = products(model, variables, x[:1], target[:1], sent)
    left = jax.nn.softmax(model.apply(variables, x[:1])) - target[:1]
    np.testing.assert_allclose(own, (left**2).sum() * ((x[:1] ** 2).sum() + 1), rtol=1e-5)


def test_a_kernel_that_is_used_twice_is_differentiated_as_usual():
    def apply(variables, x):
        return jnp.tanh(x @ variables.params["w"]) @ variables.params["w"]

    model = Model(lambda key: Variables({"w": jax.random.normal(key, (10, 10))}, {}), apply, None)  # type: ignore[arg-type]
    variables, x, target, sent = _case(model, (10,))

    def loss(params):
        return -jnp.mean(jnp.sum(target * jax.nn.log_softmax(apply(Variables(params, {}), x)), axis=-1))

    g = jax.grad(loss)(variables.params)
    np.testing.assert_allclose(products(model, variables, x, target, sent), (dot(g, sent), dot(g, g)), rtol=1e-4)


def test_no_gradient_of_a_wide_kernel_is_formed():
    model = ja.models.build("mlp:7", (1000,), 10)
    variables, x, target, sent = _case(model, (1000,))
    traced = jax.make_jaxpr(lambda x: products(model, variables, x, target, sent))(x)
    shapes = [out.aval.shape for eqn in traced.jaxpr.eqns for out in eqn.outvars]
    assert (1000, 7) not in shapes
    assert (7, 1000) not in shapes
