"""Collaborative learning and the adversary in it: rounds written out by hand, and digits that it never held."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from jaxattack.attacks.inversion.federated import CollaborativeGan
from jaxattack.attacks.inversion.federation import Federation, deal
from jaxattack.models import build
from jaxattack.training.averaging import Local, Partition, right, train_round
from jaxattack.types import InputError, Inputs

HELD_BY_ADVERSARY, TARGETS = (5, 6, 7, 8, 9), np.arange(5)


@cache
def records() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Digits of the federation, and others for whoever judges."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    inside, outside = order[:900], order[900:]
    return x[inside], y[inside], x[outside], y[outside]


def digits(without: int | None = None) -> Federation:
    """Those who take part; without a class, if so wanted."""
    x, y, _, _ = records()
    owner, kept = deal(y, HELD_BY_ADVERSARY, 3), y != without
    return Federation(
        model=build("mlp:64", (64,), 11), inputs=Inputs.box(0, 1, (64,)), classes=10,
        x=x[kept], y=y[kept], owner=owner[kept],
    )  # fmt: skip


@cache
def judge() -> Any:
    """A model of records that nobody in the federation has."""
    _, _, x, y = records()
    return LogisticRegression(max_iter=2000).fit(x, y)


@cache
def attacked():
    return CollaborativeGan(rounds=50)(digits(), TARGETS)


def likeness(made: np.ndarray, targets: np.ndarray) -> list[float]:
    """Correlation of each target's mean sample with its class's mean."""
    _, _, x, y = records()
    means = [x[y == target].mean(axis=0) for target in targets]
    return [np.corrcoef(part.mean(axis=0), mean)[0, 1] for part, mean in zip(made, means, strict=True)]


def test_digits_that_the_adversary_never_held_are_made():
    found = attacked()
    assert (judge().predict(found.x) == TARGETS).all()
    said = judge().predict(found.restarts.reshape(-1, 64)).reshape(5, 16)
    assert (said == TARGETS[:, None]).mean() > 0.9
    assert np.mean(likeness(found.restarts, TARGETS)) > 0.8
    assert (found.x >= 0).all()
    assert (found.x <= 1).all()
    assert [frame.step for frame in found.frames] == list(range(5, 50, 5))
    assert found.gradients == 5 * 50 * 3 * 64
    assert min(found.notes["accuracy"]) > 0.85


def test_without_fakes_the_shared_model_is_pleased_by_what_is_no_digit():
    """Nothing then tells the classifier what is wrong with what was made: surer, and much less alike."""
    found = CollaborativeGan(injected=0.0, rounds=50)(digits(), TARGETS)
    assert found.score.mean() > 0.95 > attacked().score.mean()
    assert np.mean(likeness(found.restarts, TARGETS)) < np.mean(likeness(attacked().restarts, TARGETS)) - 0.2


def test_a_class_that_nobody_holds_is_not_made():
    found = CollaborativeGan(rounds=50)(digits(without=0), np.array([0]))
    assert (judge().predict(found.restarts[0]) == 0).mean() < 0.2
    assert found.score.max() < 0.1
    assert found.notes["accuracy on the target"] == [None]


def test_a_target_does_not_depend_on_the_others_nor_on_who_looks():
    told = []
    attack = CollaborativeGan(rounds=12)
    one = attack(digits(), np.array([3]), progress=lambda *what: told.append(what))
    several = attack(digits(), TARGETS)
    np.testing.assert_allclose(one.restarts[0], several.restarts[3], atol=1e-3)
    assert told[-1] == ("rounds", 12, 12)
    assert not np.allclose(attack(digits(), np.array([3]), seed=1).x, one.x, atol=0.01)


def test_a_round_is_everyones_own_steps_averaged_by_their_records():
    """Full batches of one record each, so that the draw decides nothing: gradient descent written out."""
    x, y = np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 2.0]], np.float32), np.array([0, 1, 1])
    model = build("softmax", (2,), 3)
    shared = model.init(jax.random.key(0))
    fakes = jnp.full((4, 5, 2), 0.5)
    held = Partition(*map(jnp.asarray, (x, y, np.array([[0, 0], [1, 2]]), np.array([1, 2]))))
    found = jax.jit(train_round, static_argnums=(0, 1))(
        model, Local(4, 5, "sgd", 0.3), held, shared, fakes, jnp.int32(2), jax.random.key(1)
    )

    @jax.jit
    def gradient(params, rows, labels):
        return jax.grad(
            lambda p: -jnp.mean(jax.nn.log_softmax(model.apply(shared._replace(params=p), rows))[np.arange(5), labels])
        )(params)

    def descended(rows, labels):
        params = shared.params
        for _ in range(4):
            params = jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient(params, rows, labels))
        return params

    adversary = descended(np.array([[0.5, 0.5]] * 2 + [[1.0, 0.0]] * 3, np.float32), np.array([2, 2, 0, 0, 0]))
    honest = descended(np.array([[0.0, 2.0]] * 5, np.float32), np.ones(5, int))
    mean = jax.tree.map(lambda a, b: a / 3 + 2 * b / 3, adversary, honest)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found.params, mean)


def test_records_that_the_shared_model_gets_right_are_counted_for_each_target():
    model = build("softmax", (2,), 3)
    several = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 4))
    x = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    held = Partition(*map(jnp.asarray, (x, np.zeros(6, int), np.zeros((1, 6), int), np.array([6]))))
    for at, part in enumerate(right(model, several, held)):
        one = jax.tree.map(lambda leaf, at=at: leaf[at], several)
        np.testing.assert_array_equal(part, model.apply(one, held.x).argmax(axis=1) == 0)


def test_classes_are_dealt_to_the_honest_in_turn():
    y = np.array([0, 1, 2, 3, 4, 4, 0])
    np.testing.assert_array_equal(deal(y, (2,), 3), [1, 2, 0, 1, 2, 2, 1])
    with pytest.raises(InputError, match="participants is 6"):
        deal(y, (2,), 6)
    with pytest.raises(InputError, match=r"adversary \(9,\)"):
        deal(y, (9,), 2)


def test_training_that_diverges_is_masked_and_told():
    federation = digits()
    far = replace(federation, inputs=Inputs.box(0, 1e38, (64,)), x=federation.x * np.float32(1e38))
    found = CollaborativeGan(rounds=2)(far, np.array([0]))
    assert found.diverged == 16
    assert not found.complete
    assert "lower learning_rate" in found.reason


def test_a_target_that_the_adversary_holds_or_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="target is 7 and the adversary holds"):
        CollaborativeGan(rounds=50)(digits(), np.array([7]))
    with pytest.raises(InputError, match="target is 10"):
        CollaborativeGan(rounds=50)(digits(), np.array([10]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": build("softmax", (2,), 3)}, "the model has 3 outputs for 3 classes"),
        ({"owner": np.array([0, 2, 2])}, r"participants \[0, 2\]"),
        ({"owner": np.zeros(3, int)}, r"participants \[0\]"),
        ({"y": np.array([0, 1, 3])}, "classes outside 0 to 2"),
        ({"y": np.array([0, 1])}, "have shapes"),
        ({"x": np.array([[0, 1], [1, 0], [np.nan, 0]])}, "NaN or infinity"),
    ],
)
def test_a_federation_that_does_not_fit_together_is_refused(change, words):
    given = {
        "model": build("softmax", (2,), 4), "inputs": Inputs.box(0, 1, (2,)), "classes": 3,
        "x": np.eye(3, 2), "y": np.arange(3), "owner": np.array([0, 1, 1]),
    }  # fmt: skip
    Federation(**given)
    with pytest.raises(InputError, match=words):
        Federation(**{**given, **change})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rounds", 0),
        ("samples", 0),
        ("injected", 1.0),
        ("generator_rate", 0.0),
        ("optimizer", "none"),
    ],
)
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=f"{field} is {value!r}"):
        CollaborativeGan(**{field: value})
