"""Several models at once: their mean, and each by itself as it is alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.evasion.linear_victims import FEATURES, leaky, records, victim

from jaxattack.attacks.evasion import FGSM, PGD, Transfer, ensemble, side_by_side, transfer_matrix, worst
from jaxattack.attacks.evasion.white_box import Draw
from jaxattack.perturb.labels import labels_of
from jaxattack.types import InputError, Model

MODELS = [leaky(seed) for seed in range(3)]
BOXES = [model.box for model in MODELS]
X, Y = records(MODELS[0], 12)


def other_architecture(box):
    """The same model, as another function."""
    apply = box.model.apply
    return Model(box.model.init, lambda variables, x: apply(variables, x), box.model.forward)


def test_an_ensemble_answers_with_the_mean_of_the_logits_whatever_its_architectures():
    mean = np.mean([X @ model.weight + model.bias for model in MODELS], axis=0)
    mixed = [replace(BOXES[0], model=other_architecture(BOXES[0])), *BOXES[1:]]
    for boxes in (BOXES, mixed):
        together = ensemble(boxes)
        np.testing.assert_allclose(together.model.apply(together.variables, X.astype(np.float32)), mean, atol=1e-4)
    assert ensemble(BOXES).model is ensemble(BOXES).model  # nothing is compiled twice


def test_each_of_models_side_by_side_is_attacked_as_it_is_alone():
    four = [*BOXES, leaky(3).box]
    every = np.arange(len(X)).repeat(4)
    attack = PGD(steps=5, size=0.02, restarts=2, early=False)
    together = attack.craft(side_by_side(four), X[every], Y[every], Draw(1, every)).x.reshape(len(X), 4, FEATURES)
    for number, box in enumerate(four):
        np.testing.assert_allclose(together[:, number], attack.craft(box, X, Y, Draw(1)).x, atol=1e-5)


def test_a_transfer_matrix_is_every_transfer_by_itself():
    matrix = transfer_matrix(FGSM(size=0.02), BOXES, X, Y)
    for source in range(3):
        example = FGSM(size=0.02).craft(BOXES[source], X, Y, Draw()).x
        for target in range(3):
            np.testing.assert_array_equal(matrix.fooled[source, target], labels_of(BOXES[target], example) != Y)
    for target in range(3):
        others = ensemble([box for number, box in enumerate(BOXES) if number != target])
        alone = Transfer(craft=FGSM(size=0.02))(MODELS[target].oracle, X, Y, surrogate=others)
        right = matrix.right[target]
        np.testing.assert_array_equal(right, MODELS[target].label(X) == Y)
        np.testing.assert_array_equal(matrix.fooled_by_others[target][right], alone.success[right])
        assert matrix.share[0, target] == (matrix.fooled[0, target] & right).sum() / right.sum()
    assert matrix.share_by_others.shape == (3,)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(InputError, match="boxes is empty"):
        ensemble([])
    with pytest.raises(InputError, match="give one task"):
        ensemble([BOXES[0], victim(np.ones((FEATURES, 2)), np.zeros(2)).box])
    with pytest.raises(InputError, match="3 models of 1 architectures: give a power of two"):
        side_by_side(BOXES)
    with pytest.raises(InputError, match="a transfer needs two at least"):
        transfer_matrix(FGSM(), BOXES[:1], X, Y)
    for attack in (FGSM(sizes=2), worst(FGSM())):
        with pytest.raises(InputError, match="models side by side need every row"):
            transfer_matrix(attack, BOXES, X, Y)
