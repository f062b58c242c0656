"""Records read off the gradient of the first layer, without a search."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from attacks.inversion.gradient.digits import private, victim

import jaxattack as ja
from jaxattack.attacks.inversion.gradient import (
    Analytic,
    federated_update,
    gradient_of,
    match_records,
)
from jaxattack.types import InputError, WhiteBox


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
