"""Records made back from gradients and from federated updates."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from sklearn.datasets import load_digits

import jaxattack as ja
from jaxattack.attacks.inversion.gradient import (
    ATTACKS,
    DLG,
    Adam,
    Analytic,
    InvertingGradients,
    Sgd,
    Terms,
    Update,
    federated_update,
    gradient_of,
    match_records,
    recover_labels,
)
from jaxattack.attacks.inversion.gradient.matching import cosine, squared, statistics, total_variation
from jaxattack.models.layers import batch_norm
from jaxattack.types import InputError, Inversion, Model, Variables, WhiteBox

X, Y = load_digits(return_X_y=True)
X = X.astype(np.float32) / 16


@cache
def victim(activation: str = "tanh", hidden: int = 32, images: bool = False) -> WhiteBox:
    """An untrained multilayer perceptron."""
    shape = (8, 8, 1) if images else (64,)
    model = ja.models.build(f"mlp:{hidden}", shape, 10, activation=activation)  # type: ignore[arg-type]
    return WhiteBox(model=model, variables=model.init(jax.random.key(0)), inputs=ja.Inputs.box(0, 1, shape), classes=10)


def private(users: int, records: int, images: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Digits of each user, ["user record feature"], and their labels."""
    shape = (8, 8, 1) if images else (64,)
    return X[: users * records].reshape(users, records, *shape), Y[: users * records].reshape(users, records)


def decibels(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return -10 * np.log10(((found - truth) ** 2).reshape(len(truth), -1).mean(axis=1))


# What is sent.


def test_a_gradient_is_what_the_formulas_of_the_network_give():
    box = victim()
    x, y = private(1, 3)
    sent = gradient_of(box, x, y).sent
    first, last = (
        jax.tree.map(lambda leaf: np.asarray(leaf, float), layer) for layer in box.variables.params["layers"].values()
    )
    h = np.tanh(x[0] @ first["kernel"] + first["bias"])
    z = h @ last["kernel"] + last["bias"]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    off = (p - np.eye(10)[y[0]]) / 3
    back = off @ last["kernel"].T * (1 - h**2)
    got_first, got_last = sent["layers"].values()
    np.testing.assert_allclose(got_last["bias"][0], off.sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(got_last["kernel"][0], h.T @ off, atol=1e-6)
    np.testing.assert_allclose(got_first["kernel"][0], x[0].T @ back, atol=1e-6)


OPTIMIZERS = {
    "sgd": (Sgd(), optax.sgd(0.05)),
    "momentum": (Sgd(momentum=0.9), optax.sgd(0.05, momentum=0.9)),
    "nesterov": (Sgd(momentum=0.9, nesterov=True), optax.sgd(0.05, momentum=0.9, nesterov=True)),
    "adam": (Adam(), optax.adam(0.05)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_federated_update_is_the_change_of_a_loop_over_the_records_in_their_order(name):
    box, (client, change) = victim(), OPTIMIZERS[name]
    x, y = private(2, 3)
    update = federated_update(box, x, y, steps=4, learning_rate=0.05, batch=2, optimizer=client)
    for user in range(2):
        params = box.variables.params
        state = change.init(params)
        for rows in ([0, 1], [2, 0], [1, 2], [0, 1]):
            now = replace(box, variables=Variables(params, box.variables.rest))
            gradient = gradient_of(now, x[user : user + 1, rows], y[user : user + 1, rows]).sent
            step, state = change.update(jax.tree.map(lambda leaf: leaf[0], gradient), state, params)
            params = optax.apply_updates(params, step)
        changed = jax.tree.map(jnp.subtract, params, box.variables.params)
        mine = jax.tree.map(lambda leaf, user=user: jnp.asarray(leaf[user]), update.sent)
        assert squared(mine, changed) < 1e-8
        assert cosine(mine, changed) < 1e-8


def test_the_gradient_behind_momentum_is_in_its_own_units():
    box, (x, y) = victim(), private(1, 2)
    for client in (Sgd(momentum=0.5), Sgd(momentum=0.5, nesterov=True)):
        found = federated_update(box, x, y, steps=3, learning_rate=1e-5, batch=2, optimizer=client).gradient
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(gradient_of(box, x, y).sent), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-5)


def test_one_local_step_on_all_records_is_the_gradient():
    box = victim()
    x, y = private(2, 3)
    once = federated_update(box, x, y, steps=1, learning_rate=0.1, batch=3).gradient
    for found, wanted in zip(jax.tree.leaves(once), jax.tree.leaves(gradient_of(box, x, y).sent), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


# The objective.


def test_distances_are_those_of_the_two_long_vectors():
    rng = np.random.default_rng(0)
    trees = [
        {"a": rng.normal(size=(3, 2)).astype(np.float32), "b": rng.normal(size=4).astype(np.float32)} for _ in range(2)
    ]
    u, v = (np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)]) for tree in trees)
    assert cosine(*trees) == pytest.approx(1 - u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-6)
    assert squared(*trees) == pytest.approx(((u - v) ** 2).sum() / (v**2).sum(), rel=1e-5)
    assert cosine(trees[0], trees[0]) == pytest.approx(0, abs=1e-6)
    zero = jax.tree.map(np.zeros_like, trees[0])
    assert np.isfinite(jax.tree.leaves(jax.grad(cosine)(zero, trees[1]))[0]).all()


def test_total_variation_counts_a_step_once():
    x = np.zeros((1, 4, 5, 1), np.float32)
    x[:, 2:] = 3.0
    assert total_variation(jnp.asarray(x)) == pytest.approx(3 / 3)


def test_statistics_are_compared_in_units_of_what_was_sent():
    assert statistics({"mean": jnp.array([2.0, 2.0])}, {"mean": jnp.array([1.0, 2.0])}) == pytest.approx(1 / 5)
    assert statistics({}, {}) == 0


# Labels.


def test_the_label_of_one_record_is_read_exactly():
    box = victim("relu")
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 1, 64), np.float32), rng.integers(10, size=(60, 1))
    assert (recover_labels(box, gradient_of(box, x, y)) == y).all()


def test_the_labels_of_a_batch_are_counted():
    box = victim()
    x, y = private(6, 8)
    found = recover_labels(box, gradient_of(box, x, y))
    kept = [sum(min((a == c).sum(), (b == c).sum()) for c in range(10)) for a, b in zip(found, y, strict=True)]
    assert found.shape == y.shape
    assert sum(kept) >= 0.9 * y.size


def test_the_labels_of_local_steps_are_counted():
    box = victim()
    x, y = private(6, 4)
    found = recover_labels(box, federated_update(box, x, y, steps=4, learning_rate=0.05, batch=2))
    assert (np.sort(y, axis=1) == found).mean() >= 0.9


def without_bias(classes: int) -> WhiteBox:
    """A network whose last layer has none, and whose hidden layer goes both ways."""
    rng = np.random.default_rng(0)
    params = {
        "in": rng.normal(size=(64, 16)).astype(np.float32),
        "out": rng.normal(size=(16, classes)).astype(np.float32),
    }
    model = Model(lambda key: Variables(params, {}), _tanh, lambda v, x, key: (_tanh(v, x), v.rest))
    return WhiteBox(model=model, variables=Variables(params, {}), inputs=ja.Inputs.box(0, 1, (64,)), classes=classes)


def _tanh(variables, x):
    return jnp.tanh(x.reshape(len(x), -1) @ variables.params["in"]) @ variables.params["out"]


def test_without_a_bias_the_label_is_the_column_that_points_against_all_others():
    box = without_bias(10)
    x, y = private(12, 1)
    assert (recover_labels(box, gradient_of(box, x, y)) == y).all()


def test_labels_that_cannot_be_read_are_asked_for():
    box = without_bias(10)
    update = gradient_of(box, *private(2, 2))
    with pytest.raises(InputError, match="give them as the update's label"):
        recover_labels(box, update)
    label = np.sort(private(2, 2)[1], axis=1)
    assert (recover_labels(box, replace(update, label=label)) == label).all()


# Records without a search.


def test_one_record_is_the_ratio_of_the_first_layers_gradients():
    box = victim("gelu")
    x, y = private(5, 1)
    found = Analytic()(box, gradient_of(box, x, y))
    np.testing.assert_allclose(found.x, x[:, 0], atol=1e-5)
    assert found.target.tolist() == y[:, 0].tolist()
    assert found.complete


def test_one_record_stays_exact_over_local_steps():
    box = victim()
    x, y = private(5, 1)
    found = Analytic()(box, federated_update(box, x, y, steps=6, learning_rate=0.1, batch=1))
    np.testing.assert_allclose(found.x, x[:, 0], atol=1e-5)
    assert found.target.tolist() == y[:, 0].tolist()


def test_records_of_a_batch_are_exact_where_two_rectifiers_see_one_alone():
    box = victim("relu", 512)
    x, y = private(3, 3)
    found = Analytic()(box, gradient_of(box, x, y))
    assert found.complete
    for user in range(3):
        mine = slice(user * 3, user * 3 + 3)
        order = match_records(found.x[mine], x[user])
        np.testing.assert_allclose(found.x[mine][order], x[user], atol=1e-3)
        assert found.target[mine][order].tolist() == y[user].tolist()


def test_what_no_two_units_agree_on_is_said_not_to_be_found():
    box = victim("tanh")
    found = Analytic()(box, gradient_of(box, *private(1, 4)))
    assert not found.complete
    assert "search for them" in found.reason
    assert found.diverged == 4
    assert np.isfinite(found.x).all()


def test_a_network_without_a_fully_connected_first_layer_is_refused():
    model = ja.models.build("cnn:4", (8, 8, 1), 10)
    box = WhiteBox(
        model=model, variables=model.init(jax.random.key(0)), inputs=ja.Inputs.box(0, 1, (8, 8, 1)), classes=10
    )
    with pytest.raises(InputError, match="no fully connected layer"):
        Analytic()(box, gradient_of(box, *private(1, 1, images=True)))


# Records by search.


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


def test_what_adam_does_not_keep_is_not_read_off():
    box = victim()
    update = federated_update(box, *private(1, 2), steps=1, learning_rate=0.01, batch=2, optimizer=Adam())
    with pytest.raises(InputError, match="signs and no counts"):
        recover_labels(box, update)
    with pytest.raises(InputError, match="lost the ratios"):
        Analytic()(box, update)


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


def test_records_are_matched_whatever_their_order():
    rng = np.random.default_rng(0)
    truth, order = rng.random((6, 4, 4, 1)), rng.permutation(6)
    found = truth[order] + 0.01
    np.testing.assert_allclose(found[match_records(found, truth)], truth + 0.01)


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


# Bad input.


def test_bad_updates_are_refused():
    box = victim()
    x, y = private(2, 1)
    update, attack = gradient_of(box, x, y), InvertingGradients(steps=1, restarts=1)
    with pytest.raises(InputError, match="NaN or infinite"):
        attack(box, replace(update, sent=jax.tree.map(lambda leaf: leaf * np.nan, update.sent)))
    with pytest.raises(InputError, match="user 1 is zero"):
        attack(
            box, replace(update, sent=jax.tree.map(lambda leaf: np.concatenate([leaf[:1], 0 * leaf[1:]]), update.sent))
        )
    with pytest.raises(InputError, match="not shaped as"):
        attack(victim("tanh", 16), update)
    with pytest.raises(InputError, match="not shaped as"):
        attack(box, replace(update, sent=jax.tree.leaves(update.sent)))
    with pytest.raises(InputError, match="2 users 1 labels each"):
        attack(box, replace(update, label=np.array([[3], [10]])))
    with pytest.raises(InputError, match="records is 0"):
        Update(sent=update.sent, terms=Terms(records=0))
    with pytest.raises(InputError, match="x has shape"):
        gradient_of(box, x[:, 0], y)
    with pytest.raises(InputError, match="labels outside 0 to 9"):
        gradient_of(box, x, y + 9)
    with pytest.raises(InputError, match="batch is 5"):
        federated_update(box, x, y, steps=1, learning_rate=0.1, batch=5)
    with pytest.raises(InputError, match="steps is 2 and batch is 1: they read 2 of a user's 3 records"):
        federated_update(box, *private(1, 3), steps=2, learning_rate=0.1, batch=1)
    with pytest.raises(InputError, match="learning_rate is 0"):
        federated_update(box, x, y, steps=1, learning_rate=0.0, batch=1)


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
