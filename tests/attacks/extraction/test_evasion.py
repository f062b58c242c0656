"""Adversarial examples on a stolen model against the victim it was stolen from."""

from __future__ import annotations

import numpy as np
import pytest
from perturb.linear import INPUTS, WEIGHT

from jaxattack.attacks.extraction import PathFinding, Softmax
from jaxattack.attacks.extraction.evasion import transfer
from jaxattack.oracle import from_function
from jaxattack.perturb.signs import Perturbation
from jaxattack.types import Access, InputError


def _oracle(level="probability"):
    access = Access(level="logit", classes=2, inputs=INPUTS)
    return from_function(lambda x: x @ WEIGHT.astype(float), access)


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
