"""Records made back from gradients and from federated updates."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks.inversion.gradient.digits import decibels, private, victim
from flax import nnx

import jaxattack as ja
from jaxattack.attacks.inversion.gradient import (
    ATTACKS,
    DLG,
    Adam,
    Analytic,
    InvertingGradients,
    Sgd,
    federated_update,
    gradient_of,
    match_records,
)
from jaxattack.models.layers import batch_norm
from jaxattack.types import InputError, Inversion, Model, Variables, WhiteBox

# Smaller than they would be used; one for every name of the registry.
CASES = {
    "analytic": Analytic(),
    "dlg": DLG(steps=60, restarts=2),
    "idlg": DLG(steps=60, restarts=2, recover=True),
    "inverting-gradients": InvertingGradients(steps=400, restarts=2),
}


@cache
def reconstructed(name: str) -> tuple[Inversion, np.ndarray, np.ndarray]:
    box = victim()
    x, y = private(4, 1)
    return CASES[name](box, gradient_of(box, x, y)), x[:, 0], y[:, 0]


def test_every_attack_of_the_registry_has_a_case():
    assert CASES.keys() == ATTACKS.keys()


@pytest.mark.parametrize("name", CASES)
def test_an_attack_finds_the_record_and_its_label(name):
    found, x, y = reconstructed(name)
    assert found.attack == name
    assert found.target.tolist() == y.tolist()
    assert (decibels(found.x, x) > 20).all()  # the mean picture is at 12
    best = found.score.argmax(axis=1)
    np.testing.assert_array_equal(found.restarts[np.arange(4), best], found.x)


@pytest.mark.parametrize("name", [name for name in CASES if name != "analytic"])
def test_a_search_tells_its_steps_and_what_it_had_on_the_way(name):
    found, _, _ = reconstructed(name)
    assert found.gradients > found.steps.sum() / 2
    assert found.frames[-1].step == found.steps[0, 0]
    np.testing.assert_array_equal(found.frames[-1].x, found.x)


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_that_says_nothing_of_the_record_is_refused(name):
    box = replace(victim(), variables=jax.tree.map(jnp.zeros_like, victim().variables))
    with pytest.raises(InputError, match="do not move with|does not move with"):
        CASES[name](box, gradient_of(box, *private(4, 1)))


def test_signed_adam_takes_the_steps_of_a_plain_loop():
    box = victim(images=True)
    x, y = private(1, 1, images=True)
    update = gradient_of(box, x, y)
    found = InvertingGradients(steps=8, restarts=1, tv=0.1, distance="squared")(box, update, seed=3)

    def cost(z):
        def loss(params):
            return -jax.nn.log_softmax(box.model.apply(Variables(params, {}), 0.5 + z / 4))[0, y[0, 0]]

        made = jax.grad(loss)(box.variables.params)
        apart = jax.tree.map(lambda a, b: ((a - b[0]) ** 2).sum(), made, update.sent)
        size = jax.tree.map(lambda b: (b**2).sum(), update.sent)
        rough = jnp.abs(z[:, 1:] - z[:, :-1]).mean() + jnp.abs(z[:, :, 1:] - z[:, :, :-1]).mean()
        return sum(jax.tree.leaves(apart)) / sum(jax.tree.leaves(size)) + 0.1 * rough

    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 0), 0)
    z = jnp.clip(jax.random.normal(jax.random.split(key)[0], (1, 8, 8, 1)), -2, 2)
    m = v = jnp.zeros_like(z)
    look, seen = jax.jit(jax.value_and_grad(cost)), []
    for step in range(1, 10):
        value, slope = look(z)
        seen.append((float(value), z))
        slope, rate = jnp.sign(slope), 0.1 * 0.1 ** sum(step - 1 >= drop for drop in (3, 5, 7))
        m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
        z = jnp.clip(z - rate * m / (1 - 0.9**step) / (jnp.sqrt(v / (1 - 0.999**step)) + 1e-8), -2, 2)
    value, z = min(seen, key=lambda pair: pair[0])
    assert -found.score[0, 0] == pytest.approx(value, rel=1e-4)
    np.testing.assert_allclose(found.x, 0.5 + z / 4, atol=1e-4)


def test_a_result_depends_neither_on_the_chunk_nor_on_the_other_users():
    box = victim()
    x, y = private(4, 1)
    attack = InvertingGradients(steps=12, restarts=2)
    whole = attack(box, gradient_of(box, x, y), seed=5)
    chopped = replace(attack, chunk=3)(box, gradient_of(box, x, y), seed=5)
    others = attack(box, gradient_of(box, np.concatenate([x[:1], 1 - x[1:]]), y), seed=5)
    np.testing.assert_allclose(chopped.restarts, whole.restarts, atol=1e-3)
    np.testing.assert_allclose(others.restarts[:1], whole.restarts[:1], atol=1e-3)
    np.testing.assert_array_equal(attack(box, gradient_of(box, x, y), seed=5).restarts, whole.restarts)
    assert np.abs(attack(box, gradient_of(box, x, y), seed=6).x - whole.x).max() > 0.05


def test_the_records_of_a_batch_are_found_in_some_order():
    box = victim("tanh", 64)
    x, y = private(2, 2)
    found = InvertingGradients(steps=600, restarts=4)(box, gradient_of(box, x, y))
    for user in range(2):
        mine = slice(2 * user, 2 * user + 2)
        order = match_records(found.x[mine], x[user])
        assert (decibels(found.x[mine][order], x[user]) > 15).all()
        assert found.target[mine][order].tolist() == y[user].tolist()


def features_of_64() -> WhiteBox:
    """A last layer that is trained on features which are not: a client that fine-tunes."""
    rng = np.random.default_rng(0)
    mixture = rng.normal(size=(64, 512)).astype(np.float32) / 4
    params = {"kernel": rng.normal(size=(512, 10)).astype(np.float32) / 20, "bias": np.zeros(10, np.float32)}

    def apply(variables, x):
        return jnp.tanh((x - 0.5) @ mixture) @ variables.params["kernel"] + variables.params["bias"][None]

    model = Model(lambda key: Variables(params, {}), apply, lambda v, x, key: (apply(v, x), v.rest))
    return WhiteBox(model=model, variables=Variables(params, {}), inputs=ja.Inputs.box(0, 1, (64,)), classes=10)


@pytest.mark.parametrize("client", [Sgd(), Sgd(momentum=0.9), Adam()])
def test_the_record_behind_local_steps_is_found(client):
    box = features_of_64()
    x, y = private(2, 1)
    update = federated_update(box, x, y, steps=3, learning_rate=0.01, batch=1, optimizer=client)
    found = InvertingGradients(steps=300, restarts=2)(box, update)
    assert (decibels(found.x, x[:, 0]) > 18).all()  # the mean picture is at 12
    assert found.target.tolist() == y[:, 0].tolist()


@pytest.mark.parametrize("recover", [False, True])
def test_a_line_search_is_refused_where_the_derivative_is_an_estimate(recover):
    box = victim()
    update = federated_update(box, *private(1, 1), steps=1, learning_rate=0.01, batch=1, optimizer=Adam())
    with pytest.raises(InputError, match="optimizer is Adam: use inverting-gradients"):
        DLG(steps=2, restarts=1, recover=recover)(box, update)


class Normalised(nnx.Module):
    """A hidden layer with batch norm."""

    def __init__(self, rngs: nnx.Rngs):
        self.first, self.last = nnx.Linear(64, 16, rngs=rngs), nnx.Linear(16, 10, rngs=rngs)
        self.norm = batch_norm(16, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(self.norm(self.first(x), nnx.tanh))


def test_a_network_that_normalises_its_batches_is_inverted_with_what_was_sent_along():
    model = ja.models.from_nnx(Normalised)
    box = WhiteBox(model=model, variables=model.init(jax.random.key(0)), inputs=ja.Inputs.box(0, 1, (64,)), classes=10)
    x, y = private(1, 3)
    update = gradient_of(box, x, y, training=True)
    assert gradient_of(box, x, y).rest is None
    moved = [leaf[0] for leaf in jax.tree.leaves(update.rest) if leaf.dtype == np.float32]
    assert any(not np.allclose(after, before) for after, before in zip(moved, (np.zeros(16), np.ones(16)), strict=True))
    found = InvertingGradients(steps=20, restarts=2, statistics=0.1)(box, update)
    assert (found.score > -1).all()


def test_a_program_is_compiled_once():
    box, traced = victim(), []

    def counted(variables, x):
        traced.append(0)
        return box.model.apply(variables, x)

    model = Model(box.model.init, counted, box.model.forward)
    counting = replace(box, model=model)
    update = gradient_of(box, *private(2, 1))
    label = replace(update, label=private(2, 1)[1])
    attack = InvertingGradients(steps=2, restarts=1)
    attack(counting, label)
    after = len(traced)
    attack(counting, label, seed=1)
    assert len(traced) == after


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"restarts": 0}, "restarts is 0"),
        ({"chunk": -1}, "chunk is -1"),
        ({"tv": -0.1}, "tv is -0.1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"distance": "l1"}, "distance is 'l1'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        InvertingGradients(**settings)


def test_a_victim_that_cannot_be_differentiated_is_refused():
    box = victim()
    x, y = private(1, 1)
    update = replace(gradient_of(box, x, y), label=y)
    attack = InvertingGradients(steps=1, restarts=1, tv=0.0)

    def outside(variables, x):
        return jnp.asarray(np.asarray(x) @ np.ones((64, 10)))

    def flat(variables, x):
        return box.model.apply(variables, jnp.round(x * 0))

    for apply, message in ((outside, "cannot be differentiated"), (flat, "does not move with the records")):
        with pytest.raises(InputError, match=message):
            attack(replace(box, model=Model(box.model.init, apply, box.model.forward)), update)


def test_restarts_that_diverge_are_counted_and_not_returned():
    box = victim()
    x, y = private(2, 1)
    update = replace(gradient_of(box, x, y), label=y)

    def brittle(variables, x):
        return box.model.apply(variables, x) + jnp.where(x[:, :1] > 0.5, jnp.nan, 0.0)

    found = InvertingGradients(steps=2, restarts=6)(replace(box, model=box.model._replace(apply=brittle)), update)
    assert 0 < found.diverged < 12
    assert found.complete
    assert found.notes["diverged"] == found.diverged
    assert np.isfinite(found.x).all()
    nothing = replace(box, model=box.model._replace(apply=lambda v, x: box.model.apply(v, x) * jnp.nan))
    lost = InvertingGradients(steps=2, restarts=2)(nothing, update)
    assert not lost.complete
    assert "diverged" in lost.reason
    assert np.isfinite(lost.x).all()
