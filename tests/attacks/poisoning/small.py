"""Small sets on which poison is made in the tests."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from jaxattack import load
from jaxattack.models import build
from jaxattack.training import Recipe, train_ensemble
from jaxattack.types import Dataset, Model, Surrogate, Target, Variables


def table(records=30, features=2, classes=2, seed=0, apart=1.5):
    """Gaussian classes that overlap."""
    rng = np.random.default_rng(seed)
    y = np.arange(records) % classes
    means = apart * np.random.default_rng(5).normal(size=(classes, features))
    x = (means[y] + rng.normal(size=(records, features))).astype(np.float32)
    return Dataset(x=x, y=y, classes=classes, name="table")


@cache
def digits():
    """Three digits: a training set, records of the attacker's own, and others."""
    whole = load("digits")
    rows = np.flatnonzero(whole.y < 3)
    three = Dataset(x=whole.x[rows], y=whole.y[rows], classes=3, name="three digits")
    return three.take(slice(0, 240)), three.take(slice(240, 400)), three.take(slice(400, None))


@cache
def surrogate():
    """Two networks trained on the training set of `digits`."""
    train = digits()[0]
    model = build("mlp:16", train.shape, train.classes)
    ensemble, _ = train_ensemble(model, Recipe(epochs=20, batch=32), train, np.ones((2, len(train)), bool), seed=99)
    return Surrogate(model, ensemble.variables)


def target(wanted=1):
    """A record of class 0 that is to be of another."""
    others = digits()[2]
    return Target(others.x[np.flatnonzero(others.y == 0)[0]], 0, wanted)


def linear(features=6, units=4, classes=2):
    """A network of two layers without activation: its features are x A."""

    def init(key):
        a, b = jax.random.split(key)
        weight = {"a": jax.random.normal(a, (features, units)), "b": jax.random.normal(b, (units, classes))}
        return Variables(weight, {})

    def apply(variables, x):
        return x @ variables.params["a"] @ variables.params["b"]

    model = Model(init, apply, lambda variables, x, _: (apply(variables, x), {}))
    return Surrogate(model, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], init(jax.random.key(3))))
