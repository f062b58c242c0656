"""The cosine of gradients that are never formed whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxattack as ja
from jaxattack.attacks.inversion.gradient import matching
from jaxattack.attacks.inversion.gradient.ghost import cosine
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
def test_it_is_that_of_the_gradient_and_so_is_its_derivative(name, shape):
    model = ja.models.build(name, shape, 10, activation="tanh")
    variables, x, target, sent = _case(model, shape)

    def formed(x):
        return matching.cosine(mean_gradient(model, variables, x, target, False)[0], sent)

    def ghost(x):
        return cosine(model, variables, x, target, sent)

    with using("lax"):
        found, wanted = (jax.jit(jax.value_and_grad(distance))(x) for distance in (ghost, formed))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_softmax_of_one_record_in_closed_form():
    model = ja.models.build("softmax", (5,), 10)
    variables, x, target, sent = _case(model, (5,))
    left = jax.nn.softmax(model.apply(variables, x[:1])) - target[:1]
    gradient = {"kernel": x[:1].T @ left, "bias": left[0]}
    wanted = jax.tree.unflatten(jax.tree.structure(sent), [gradient["bias"], gradient["kernel"]])
    assert jax.tree.map(jnp.shape, wanted) == jax.tree.map(jnp.shape, sent)
    np.testing.assert_allclose(
        cosine(model, variables, x[:1], target[:1], sent), matching.cosine(wanted, sent), rtol=1e-5
    )


def test_the_same_direction_at_another_length_is_at_no_distance():
    model = ja.models.build("mlp:4-4", (5,), 10)
    variables, x, target, _ = _case(model, (5,))
    sent = jax.tree.map(lambda leaf: 3 * leaf, mean_gradient(model, variables, x, target, False)[0])
    assert cosine(model, variables, x, target, sent) < 1e-12


def test_a_kernel_that_is_used_twice_is_differentiated_as_usual():
    def apply(variables, x):
        return jnp.tanh(x @ variables.params["w"]) @ variables.params["w"]

    model = Model(lambda key: Variables({"w": jax.random.normal(key, (10, 10))}, {}), apply, None)  # type: ignore[arg-type]
    variables, x, target, sent = _case(model, (10,))

    def loss(params):
        return -jnp.mean(jnp.sum(target * jax.nn.log_softmax(apply(Variables(params, {}), x)), axis=-1))

    g = jax.grad(loss)(variables.params)
    np.testing.assert_allclose(cosine(model, variables, x, target, sent), matching.cosine(g, sent), rtol=1e-4)


def test_no_gradient_of_a_wide_kernel_is_formed():
    model = ja.models.build("mlp:7", (1000,), 10)
    variables, x, target, sent = _case(model, (1000,))
    traced = jax.make_jaxpr(lambda x: cosine(model, variables, x, target, sent))(x)
    shapes = [out.aval.shape for eqn in traced.jaxpr.eqns for out in eqn.outvars]
    assert (1000, 7) not in shapes
    assert (7, 1000) not in shapes
