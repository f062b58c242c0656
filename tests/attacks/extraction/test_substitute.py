"""What a substitute is: its encoding, its targets, its answers."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxattack.attacks.extraction.substitute import (
    BLOCK,
    Encoding,
    Stolen,
    Substitute,
    encoding,
    network,
    on_queries,
    targets,
)
from jaxattack.types import Answer, InputError, Inputs, Variables

MIXED = Inputs(low=np.array([0.0, 0, 5, -2]), high=np.array([10.0, 2, 5, 2]), categories=np.array([0, 3, 0, 0]))


def stolen(architecture: str, inputs: Inputs, classes: int, dtype: type = np.float32) -> Stolen:
    code, substitute = encoding(inputs), Substitute(architecture=architecture)
    model = on_queries(network(substitute, code.shape, classes), inputs.shape, code.categories)
    own = {name: np.asarray(leaf, dtype) for name, leaf in model.init(jax.random.key(0)).params.items()}
    return Stolen(model, own | {"center": code.center.astype(dtype), "scale": code.scale.astype(dtype)})


def test_numbers_are_centred_and_categories_are_one_hot():
    code = encoding(MIXED)
    assert code.shape == (6,)
    assert np.allclose(code(np.array([[0.0, 1, 5, 2], [10, 2, 5, -2]])), [[-1, 0, 1, 0, 0, 1], [1, 0, 0, 1, 0, -1]])


def test_images_keep_their_shape_when_encoded():
    code = encoding(Inputs.box(0, 255, (4, 4, 1)))
    assert code.shape == (4, 4, 1)
    assert code(np.full((2, 4, 4, 1), 255.0)).shape == (2, 4, 4, 1)
    assert isinstance(code, Encoding)


@pytest.mark.parametrize(
    ("architecture", "shape"), [("softmax", (3,)), ("mlp:4", (3,)), ("rbf:5", (3,)), ("cnn:2", (4, 4, 1))]
)
def test_parameters_are_flat_and_are_the_models_variables(architecture, shape):
    one = stolen(architecture, Inputs.box(0, 1, shape), 3)
    assert all(isinstance(value, np.ndarray) for value in one.parameters.values())
    x = np.random.default_rng(0).random((7, *shape))
    logits = one.model.apply(Variables(one.parameters, {}), x.astype(np.float32))
    assert logits.dtype == np.float32
    answer = one.answer(x)
    assert answer.label.dtype == np.int64
    assert answer.logit is not None
    assert answer.probability is not None
    assert answer.logit.dtype == answer.probability.dtype == np.float64
    assert np.allclose(answer.logit, logits, atol=1e-5)
    assert np.allclose(answer.probability.sum(axis=1), 1)
    again, rest = one.model.forward(Variables(one.parameters, {}), x.astype(np.float32), jax.random.key(1))
    assert np.allclose(again, logits)
    assert rest == {}


def test_a_softmax_substitute_is_linear_in_the_encoded_query():
    one = stolen("softmax", MIXED, 2, np.float64)
    x = np.array([[3.0, 2, 5, 1]])
    by_hand = encoding(MIXED)(x) @ one.parameters["layers.0.kernel"] + one.parameters["layers.0.bias"]
    assert np.allclose(one.logits(x), by_hand, atol=1e-12)


@pytest.mark.parametrize("queries", [0, 1, BLOCK - 1, BLOCK + 1])
def test_any_number_of_queries_is_answered(queries):
    one = stolen("softmax", Inputs.box(0, 1, (2,)), 3)
    x = np.random.default_rng(0).random((queries, 2))
    assert one.answer(x).label.shape == (queries,)
    if queries > 1:
        assert np.allclose(one.logits(x)[-1], one.logits(x[-1:])[0], atol=1e-6)


def test_targets_are_distributions_at_every_level():
    label, probability = np.array([1, 0]), np.array([[0.2, 0.5, 0.3], [0.8, 0.1, 0.1]])
    hard = np.array([[0, 1, 0], [1, 0, 0]])
    assert (targets(Answer(label), 3, True) == hard).all()
    assert (targets(Answer(label, probability), 3, False) == hard).all()
    assert np.allclose(targets(Answer(label, probability), 3, True), probability)
    assert np.allclose(targets(Answer(label, None, np.log(probability) + 7), 3, True), probability)


def test_withheld_confidences_share_what_remains():
    top = Answer(np.array([1]), np.array([[np.nan, 0.7, 0.1, np.nan]]))
    assert np.allclose(targets(top, 4, True), [[0.1, 0.7, 0.1, 0.1]])
    logits = Answer(np.array([1]), None, np.array([[np.nan, 2.0, 2.0, np.nan]]))
    assert np.allclose(targets(logits, 4, True), [[0, 0.5, 0.5, 0]])
    assert np.allclose(targets(Answer(np.array([2]), np.zeros((1, 3))), 3, True), [[0, 0, 1]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "resnet:20"}, "substitute is 'resnet:20'"),
        ({"architecture": "rbf:none"}, "substitute is 'rbf:none'"),
        ({"activation": "step"}, "activation is 'step'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"ridge": 0.0}, "ridge is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_bad_configurations_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Substitute(**settings)
