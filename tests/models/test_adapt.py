from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jaxattack.models import build, from_linen, from_module, from_nnx, in_precision


class Spiral(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(6, 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, momentum=0.9, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        return self.last(self.drop(nnx.relu(self.norm(self.first(x)))))


class Trains(nn.Module):
    @nn.compact
    def __call__(self, x, *, train: bool):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(8)(x))
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=not train)(nn.relu(x)))


class Deterministic(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic=True):
        x = nn.BatchNorm(use_running_average=deterministic, momentum=0.9)(nn.Dense(8)(x))
        return nn.Dense(3)(nn.Dropout(0.5)(nn.relu(x), deterministic=deterministic))


class Trained(nn.Module):
    """Told by another word, and in evaluation mode where it is told nothing."""

    @nn.compact
    def __call__(self, x, training: bool = False):
        x = nn.BatchNorm(use_running_average=not training, momentum=0.9)(nn.Dense(8)(x))
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=not training)(nn.relu(x)))


class ToldSpiral(Spiral):
    """What a call says is heard before what ``train()`` has switched."""

    def __call__(self, x, is_training=False):
        x = nnx.relu(self.norm(self.first(x), use_running_average=not is_training))
        return self.last(self.drop(x, deterministic=not is_training))


class Plain(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(x)


MODELS = {
    "nnx": from_nnx(Spiral),
    "linen train=": from_linen(Trains(), (6,)),
    "linen deterministic=": from_linen(Deterministic(), (6,)),
    "linen training=": from_linen(Trained(), (6,)),
    "nnx is_training=": from_nnx(ToldSpiral),
}
X = jax.random.normal(jax.random.key(3), (16, 6))
Y = jnp.arange(16) % 3


def test_a_deployed_nnx_module_answers_as_the_module_itself():
    module = Spiral(nnx.Rngs(jax.random.key(0)))
    module.eval()
    variables = MODELS["nnx"].init(jax.random.key(0))
    np.testing.assert_allclose(MODELS["nnx"].apply(variables, X), module(X), atol=1e-6)


def test_nnx_batch_statistics_become_those_of_the_module_itself():
    module = Spiral(nnx.Rngs(jax.random.key(0)))
    module.train()
    module(X)
    _, rest = MODELS["nnx"].forward(MODELS["nnx"].init(jax.random.key(0)), X, jax.random.key(1))
    np.testing.assert_allclose(rest["norm"]["mean"], module.norm.mean[...], atol=1e-6)
    np.testing.assert_allclose(rest["norm"]["var"], module.norm.var[...], atol=1e-6)


def test_nnx_parameters_apart_from_statistics():
    variables = MODELS["nnx"].init(jax.random.key(0))
    assert set(variables.params) == {"first", "norm", "last"}
    assert set(variables.rest) == {"norm"}
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(variables))


def test_a_deployed_module_whose_call_is_compiled_is_told_nothing_that_is_so_by_default():
    """An argument of a compiled call is an array, on which Python does not branch."""

    class Compiled(nnx.Module):
        def __init__(self, rngs):
            self.last, self.drop = nnx.Linear(6, 3, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

        @nnx.jit
        def __call__(self, x, train=False):
            return self.last(self.drop(x)) if train else self.last(x)

    module = Compiled(nnx.Rngs(0))
    model, variables = from_module(module)
    np.testing.assert_allclose(model.apply(variables, X), module.last(X), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "module", "off"),
    [("linen train=", Trains(), {"train": False}), ("linen deterministic=", Deterministic(), {"deterministic": True})],
)
def test_a_deployed_linen_module_answers_as_the_module_itself(name, module, off):
    variables = MODELS[name].init(jax.random.key(0))
    collections = module.init(jax.random.key(0), jnp.zeros((1, 6)), **off)
    np.testing.assert_allclose(MODELS[name].apply(variables, X), module.apply(collections, X, **off), atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_dropout_and_batch_norm_act_in_training_alone(name):
    model = MODELS[name]
    variables = model.init(jax.random.key(0))
    one, rest = model.forward(variables, X, jax.random.key(1))
    same, _ = model.forward(variables, X, jax.random.key(1))
    other, _ = model.forward(variables, X, jax.random.key(2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    assert jax.tree.structure(rest) == jax.tree.structure(variables.rest)
    assert all((a != b).any() for a, b in zip(*map(jax.tree.leaves, (rest, variables.rest)), strict=True))
    np.testing.assert_allclose(model.apply(variables, X)[:1], model.apply(variables, X[:1]), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_gradient_step_is_finite_and_lowers_the_loss(name):
    model = MODELS[name]
    variables = model.init(jax.random.key(0))

    @jax.jit
    def step(params):
        def loss(params):
            logits, _ = model.forward(variables._replace(params=params), X, jax.random.key(1))
            return optax.softmax_cross_entropy_with_integer_labels(logits, Y).mean()

        value, gradient = jax.value_and_grad(loss)(params)
        return value, jax.tree.map(lambda p, g: p - 0.05 * g, params, gradient)

    before, moved = step(variables.params)
    after, _ = step(moved)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(moved))
    assert after < before


def test_a_linen_module_with_nothing_but_parameters_has_no_rest():
    model = from_linen(Plain(), (6,))
    variables = model.init(jax.random.key(0))
    logits, rest = model.forward(variables, X, jax.random.key(1))
    assert variables.rest == {}
    assert jax.tree.leaves(rest) == []
    np.testing.assert_allclose(logits, model.apply(variables, X), atol=1e-6)


def test_adapted_models_are_hashable_and_vmap_over_keys():
    for model in MODELS.values():
        hash(model)
        many = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 3))
        assert {leaf.shape[0] for leaf in jax.tree.leaves(many)} == {3}
        assert jax.vmap(model.apply, (0, None))(many, X).shape == (3, 16, 3)


LOW = "resnet:8", "wrn:10-1", "resnet9:2", "cnn:2", "lenet:2", "mlp:3", "softmax"


def products_of(jaxpr):
    """The matrix products and convolutions of a trace, those within functions that bring their gradient among them."""
    products = []
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            products.append(equation)
        elif "call_jaxpr" in equation.params:
            products += products_of(equation.params["call_jaxpr"].jaxpr)
    return products


@pytest.mark.parametrize("text", LOW)
def test_in_bfloat16_every_product_is_of_bfloat16_but_the_last_sums(text):
    model = in_precision(build(text, (8, 8, 1), 3), "bfloat16")
    variables = model.init(jax.random.key(0))
    x = jnp.ones((2, 8, 8, 1))
    for answer in (model.apply, lambda v, x: model.forward(v, x, jax.random.key(1))[0]):
        products = products_of(jax.make_jaxpr(answer)(variables, x).jaxpr)
        inputs = {operand.aval.dtype for equation in products for operand in equation.invars}
        results = [equation.outvars[0].aval.dtype for equation in products]
        assert inputs <= {jnp.dtype("bfloat16")}
        assert set(results[:-1]) <= {jnp.dtype("bfloat16")}
        assert results[-1] == jnp.float32


def test_batch_norm_in_bfloat16_keeps_the_statistics_of_float32():
    model = build("resnet:8", (8, 8, 1), 3)
    variables, x = model.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (16, 8, 8, 1))
    (_, rest), (_, low) = (
        in_precision(model, precision).forward(variables, x, jax.random.key(2)) for precision in ("float32", "bfloat16")
    )
    for exact, found in zip(jax.tree.leaves(rest), jax.tree.leaves(low), strict=True):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, exact, rtol=0.05, atol=0.01)


def test_a_precision_is_found_again_and_float32_is_the_model_itself():
    model = build("mlp:4", (5,), 3)
    assert in_precision(model, "float32") is model
    assert in_precision(model, "bfloat16") is in_precision(model, "bfloat16")
