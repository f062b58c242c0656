"""The record behind an update, from answers before and after."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits

import jaxattack as ja
from jaxattack import Dataset, InputError, OracleError, Recipe, Variables
from jaxattack.attacks.reconstruction import Knowledge, Span, UpdateRecord
from jaxattack.attacks.reconstruction.update import Update, change
from jaxattack.attacks.reconstruction.update_leakage import LabelReader, solve_softmax
from jaxattack.types import Inputs

BOX = Inputs.box(0.0, 1.0, (64,))


def digits():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return Dataset(x=(x[order] / 16).astype(np.float32), y=y[order], classes=10, name="digits")


@cache
def two(architecture):
    """The victim's model and the attacker's own, trained on different records."""
    data, model = digits(), ja.models.build(architecture, (64,), 10, activation="tanh")
    member = np.zeros((2, len(data)), bool)
    member[0, :300] = member[1, 300:600] = True
    ensemble, _ = ja.train_ensemble(model, Recipe(epochs=20, batch=50), data, member)
    return model, *(jax.tree.map(lambda leaf, i=i: leaf[i], ensemble.variables) for i in (0, 1)), data


def oracle(model, variables, **terms):
    return ja.oracle.from_model(model, variables, inputs=BOX, classes=10, **terms)


def naive(model, variables, x, y, rate, steps):
    """Gradient descent on one record of a softmax regression, in NumPy."""
    layer = variables.params["layers"][0]
    weight, bias = np.asarray(layer["kernel"], np.float64), np.asarray(layer["bias"], np.float64)
    for _ in range(steps):
        error = softmax(x @ weight + bias) - np.eye(10)[y]
        weight, bias = weight - rate * np.outer(x, error), bias - rate * error
    return weight, bias


def test_changes_are_those_of_gradient_descent_by_hand():
    model, victim, _, data = two("softmax")
    probes = data.x[600:605].astype(np.float64)
    found = Update(steps=3, learning_rate=0.2).changes(model, victim, data.x[700:702], data.y[700:702], probes)
    for record in (0, 1):
        weight, bias = naive(model, victim, data.x[700 + record], data.y[700 + record], 0.2, 3)
        start, zero = naive(model, victim, data.x[700], 0, 0.2, 0)
        delta = log_softmax(probes @ weight + bias, axis=1) - log_softmax(probes @ start + zero, axis=1)
        np.testing.assert_allclose(found[record], delta - delta.mean(axis=1, keepdims=True), atol=1e-5)


def test_one_step_of_a_softmax_gives_the_record_and_its_label_away():
    model, victim, _, data = two("softmax")
    rng = np.random.default_rng(2)
    probes = rng.random((120, 64))
    for record in (700, 703, 705):
        updated = Update(learning_rate=0.5).apply(model, victim, data.x[[record]], data.y[[record]])
        after = Variables(jax.tree.map(lambda leaf: leaf[0], updated.params), victim.rest)
        found = change(oracle(model, victim, precision="float64"), (oracle(model, after, precision="float64"),), probes)
        assert (found.cost.queries, found.cost.calls) == (240, 2)
        solved = solve_softmax(found.delta[0], probes)
        np.testing.assert_allclose(solved.x, data.x[record], atol=1e-3)
        assert solved.label == data.y[record]
        assert solved.residual < 1e-4


def test_an_update_that_shows_nowhere_leaves_the_others_their_records():
    """One of which no answer told, as behind rounding, ended the audit of all."""
    model, victim, _, data = two("softmax")
    updated = Update(learning_rate=0.5).apply(model, victim, data.x[[700]], data.y[[700]])
    after = Variables(jax.tree.map(lambda leaf: leaf[0], updated.params), victim.rest)
    before, seen = (oracle(model, one, precision="float64") for one in (victim, after))
    span = Span(np.zeros(64), np.ones(64))
    found = UpdateRecord()(Knowledge(answers=before, updates=(seen, before), span=span))
    np.testing.assert_allclose(found.value[0], data.x[700], atol=1e-3)
    assert np.isnan(found.value[1]).all()
    assert found.label.tolist() == [data.y[700], -1]
    assert not found.complete
    assert found.reason == "1 of 2 updates changed no answer to the probes."


def test_shadow_updates_teach_the_label_behind_an_update_of_a_network():
    model, victim, own, data = two("mlp:16")
    update, probes = Update(learning_rate=0.1), data.x[600:640]
    learnt = LabelReader.fit(update.changes(model, own, data.x[700:950], data.y[700:950], probes), data.y[700:950])
    seen = update.changes(model, victim, data.x[1000:1250], data.y[1000:1250], probes)
    assert (learnt(seen) == data.y[1000:1250]).mean() > 0.85
    with pytest.raises(InputError, match="ask alike"):
        learnt(seen[:, :3])


def test_answers_that_hide_the_change_are_refused():
    model, victim, _, data = two("softmax")
    probes, told = data.x[:80].astype(np.float64), oracle(model, victim)
    with pytest.raises(InputError, match="no answer changed"):
        solve_softmax(np.zeros((80, 10)), np.random.default_rng(0).random((80, 64)))
    with pytest.raises(InputError, match="labels alone"):
        change(ja.oracle.label_only(told), (ja.oracle.label_only(told),), probes)
    with pytest.raises(OracleError, match="0, NaN or withheld"):
        change(told, (ja.oracle.top_k(told, 3),), probes)
    with pytest.raises(InputError, match="give more probes"):
        solve_softmax(np.ones((9, 10)), probes[:9])
    other = ja.models.build("softmax", (64,), 3)
    three = ja.oracle.from_model(other, other.init(jax.random.key(0)), inputs=BOX, classes=3)
    with pytest.raises(InputError, match="had 10 classes and has 3"):
        change(told, (three,), probes)


def test_updates_and_lessons_out_of_range_are_refused():
    with pytest.raises(InputError, match="steps is 0"):
        Update(steps=0)
    with pytest.raises(InputError, match="learning_rate is -1"):
        Update(learning_rate=-1)
    model = ja.models.build("softmax", (64,), 10)
    start, data = model.init(jax.random.key(0)), digits()
    with pytest.raises(InputError, match="2 records and 3 labels"):
        Update().changes(model, start, data.x[:2], data.y[:3], data.x[:4])
    with pytest.raises(InputError, match="diverged"):
        Update(steps=3, learning_rate=1e38).changes(model, start, data.x[:2], data.y[:2], data.x[:4])
    with pytest.raises(InputError, match="of 2 or more"):
        LabelReader.fit(np.zeros((4, 2, 3)), np.zeros(4, int))
