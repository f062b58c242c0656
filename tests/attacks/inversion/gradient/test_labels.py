"""Labels read off an update."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from attacks.inversion.gradient.digits import private, victim

import jaxattack as ja
from jaxattack.attacks.inversion.gradient import (
    Adam,
    Analytic,
    Local,
    Sgd,
    federated_update,
    gradient_of,
    recover_labels,
)
from jaxattack.types import InputError, Model, Variables, WhiteBox


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


@pytest.mark.parametrize("nesterov", [False, True])
def test_labels_under_momentum_weigh_what_their_records_make_of_the_update(nesterov):
    """Of five steps the first makes four times as much as the last: counted as if alike, its label was found twice."""
    box, (x, y), optimizer = victim(), private(2, 5), Sgd(momentum=0.9, nesterov=nesterov)
    found = recover_labels(box, federated_update(box, x, y, steps=5, learning_rate=0.01, batch=1, optimizer=optimizer))
    np.testing.assert_array_equal(np.sort(found, axis=1), y)


def test_the_weight_of_a_record_is_the_sum_of_what_its_steps_make():
    local = Local(steps=4, learning_rate=0.1, batch=1, optimizer=Sgd(momentum=0.9))
    later = np.array([(1 - 0.9 ** (4 - step)) / 0.1 for step in range(4)])
    np.testing.assert_allclose(local.weights(4), later / later.mean(), rtol=1e-5)
    np.testing.assert_allclose(Local(steps=2, learning_rate=0.1, batch=3).weights(4), np.array([2, 2, 1, 1]) / 1.5)


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


def test_what_adam_does_not_keep_is_not_read_off():
    box = victim()
    update = federated_update(box, *private(1, 2), steps=1, learning_rate=0.01, batch=2, optimizer=Adam())
    with pytest.raises(InputError, match="signs and no counts"):
        recover_labels(box, update)
    with pytest.raises(InputError, match="lost the ratios"):
        Analytic()(box, update)
