"""Adversarial examples on a stolen model: where the nearest boundary is known, and against the victim it was stolen from."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.extraction import PathFinding, Softmax
from jaxattack.attacks.extraction.evasion import Perturbation, adversarial, deepfool, transfer
from jaxattack.oracle import from_function
from jaxattack.types import Access, InputError, Inputs, Model, Variables

WEIGHT = np.array([[3.0, 0.0], [0.0, 4.0]], np.float32)
INPUTS = Inputs.box(-1, 1, (2,))


def _apply(variables, x):
    return x @ variables.params["weight"]


LINEAR = Model(lambda _: Variables({}, {}), _apply, lambda variables, x, _: (_apply(variables, x), {}))
VARIABLES = Variables({"weight": jnp.asarray(WEIGHT)}, {})


def _oracle(level="probability"):
    access = Access(level="logit", classes=2, inputs=INPUTS)
    return from_function(lambda x: x @ WEIGHT.astype(float), access)


@pytest.mark.parametrize("steps", [1, 10])
def test_signs_of_the_gradient_move_every_feature_by_the_size_against_its_class(steps):
    x = np.array([[0.5, 0.1]])
    example = adversarial(LINEAR, VARIABLES, x, np.array([0]), INPUTS, Perturbation(size=0.1, steps=steps))
    np.testing.assert_allclose(example, [[0.3, 0.3]], atol=1e-6)


def test_examples_stay_within_what_the_service_takes():
    x = np.array([[-0.95, 0.95]])
    example = adversarial(LINEAR, VARIABLES, x, np.array([0]), INPUTS, Perturbation(size=0.5))
    assert (np.abs(example) <= 1).all()


def test_deepfool_finds_the_nearest_point_of_a_linear_boundary():
    x = np.array([[0.6, 0.2]])
    found, far = deepfool(LINEAR, VARIABLES, x, INPUTS)
    direction = np.array([3.0, -4.0])
    nearest = x - (x @ direction)[:, None] * direction / (direction @ direction)
    np.testing.assert_allclose(found, nearest, atol=0.03)
    np.testing.assert_allclose(far, np.linalg.norm(found - x, axis=1) / 2)


def test_examples_made_on_a_stolen_model_fool_its_victim_and_are_counted():
    stolen = Softmax()(_oracle())
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 2))
    y = (x @ WEIGHT).argmax(axis=1)
    oracle = _oracle()
    found = transfer(oracle, stolen, x, y, Perturbation(size=0.3))
    assert found.cost.queries == oracle.ledger.queries == 400
    assert found.right.all()
    fooled = (found.example @ WEIGHT).argmax(axis=1) != y
    np.testing.assert_array_equal(found.fooled, fooled)
    assert 0.3 < found.rate < 1


def test_what_has_no_gradient_is_refused():
    tree = PathFinding()(
        from_function(lambda x: (x > 0).astype(float), Access(level="logit", classes=2, inputs=INPUTS))
    )
    with pytest.raises(InputError, match="stole no network"):
        transfer(_oracle(), tree, np.zeros((2, 2)), np.zeros(2, int), Perturbation())


@pytest.mark.parametrize("wrong", [{"size": 0.0}, {"size": 1.5}, {"steps": 0}])
def test_sizes_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Perturbation(**wrong)
