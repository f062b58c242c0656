"""Inferences of architecture: right where answers tell, at chance where they do not, refused where they cannot be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from attacks.architecture.zoos import ACCESS, CLASSES, POOL, zoo
from scipy.special import log_softmax

from jaxattack.attacks.architecture import ATTACKS, KennenI, KennenIO, KennenO, lookup
from jaxattack.attacks.architecture.answers import FLOOR, features
from jaxattack.attacks.architecture.classifier import Components, Perceptron
from jaxattack.attacks.architecture.kennen_i import _count
from jaxattack.attacks.architecture.zoo import on_terms
from jaxattack.models.attribute_grid import ATTRIBUTES, Codes
from jaxattack.types import Answer, ArchitectureAttack, InputError

SMALL = Perceptron(hidden=16)
QUICK = {
    "kennen-o": KennenO(questions=24, components=32, perceptron=SMALL, epochs=40, batch=16),
    "kennen-i": KennenI(steps=60, starts=3, batch=24),
    "kennen-io": KennenIO(questions=3, steps=100, batch=24, perceptron=Perceptron(hidden=16, rate=0.01)),
}
ACTIVATION, DATA = Codes._fields.index("activation"), Codes._fields.index("data")


@pytest.fixture(scope="module")
def nets():
    return zoo()


@pytest.mark.parametrize("name", ATTACKS)
def test_what_answers_tell_is_read_and_what_they_do_not_is_not(name, nets):
    attack, learnt, other = QUICK[name], np.arange(64), np.arange(64, 96)
    assert isinstance(attack, ArchitectureAttack)
    reader = attack.fit(nets, nets.codes, learnt, POOL, ACCESS, seed=1)
    assert np.abs(reader.questions).max() <= 1
    posterior = reader(nets.answer(reader.questions, ACCESS))
    np.testing.assert_allclose(np.exp(posterior).sum(axis=2), 1, atol=1e-5)
    for number, attribute in enumerate(ATTRIBUTES):
        assert (np.exp(posterior[:, number, len(attribute.values) :]) == 0).all()
    right = posterior.argmax(axis=2) == nets.codes
    assert right[other, ACTIVATION].mean() > 0.85
    assert right[other, DATA].mean() < 0.45  # one in seven: nobody has trained on any share
    again = attack.fit(nets, nets.codes, learnt, POOL, ACCESS, seed=1)
    np.testing.assert_array_equal(again.questions, reader.questions)
    # What is held out has no part in what is learnt.
    codes = nets.codes.copy()
    codes[other] = 0
    blind = attack.fit(nets, codes, learnt, POOL, ACCESS, seed=1)
    np.testing.assert_array_equal(blind(nets.answer(reader.questions, ACCESS)), posterior)


def test_labels_alone_are_enough_for_an_activation(nets):
    labels = dataclasses.replace(ACCESS, level="label")
    reader = QUICK["kennen-o"].fit(nets, nets.codes, np.arange(64), POOL, labels)
    answer = nets.answer(reader.questions, labels)
    assert answer.probability is None
    assert (reader(answer).argmax(axis=2) == nets.codes)[64:, ACTIVATION].mean() > 0.7


def test_answers_are_scores_ranks_or_labels():
    logits = np.random.default_rng(0).normal(size=(2, 3, 4))
    answer = on_terms(logits, dataclasses.replace(ACCESS, classes=4))
    logp = log_softmax(logits, axis=2)
    score = features(answer, "score", 4).reshape(2, 3, 4)
    np.testing.assert_allclose(score, logp - logp.mean(axis=2, keepdims=True), atol=1e-5)
    rank = features(answer, "rank", 4).reshape(2, 3, 4)
    np.testing.assert_allclose(np.sort(rank, axis=2), np.broadcast_to(np.linspace(-1, 1, 4), rank.shape), atol=1e-6)
    np.testing.assert_array_equal(rank.argmax(axis=2), logits.argmax(axis=2))
    label = features(answer, "label", 4).reshape(2, 3, 4)
    np.testing.assert_array_equal(label, np.eye(4)[logits.argmax(axis=2)])
    with pytest.raises(InputError, match="labels alone"):
        features(Answer(answer.label), "score", 4)


def test_a_zoo_answers_on_the_terms_of_the_victim():
    logits = np.random.default_rng(0).normal(size=(2, 3, 4))
    few = on_terms(logits, dataclasses.replace(ACCESS, classes=4, top=2, decimals=1)).probability
    assert (np.isnan(few).sum(axis=2) == 2).all()
    np.testing.assert_allclose(np.nan_to_num(few) * 10, np.round(np.nan_to_num(few) * 10), atol=1e-9)
    assert features(Answer(logits.argmax(axis=2), few), "score", 4).min() >= np.log(FLOOR)


def test_labels_are_read_by_counting():
    label = np.zeros((5, len(ATTRIBUTES)), int)
    codes = np.zeros((5, len(ATTRIBUTES)), int)
    codes[4, ACTIVATION] = 2
    posterior = np.exp(_count(label, codes, CLASSES))
    np.testing.assert_allclose(posterior[ACTIVATION, 0], [5 / 9, 1 / 9, 2 / 9, 1 / 9, 0, 0, 0])
    np.testing.assert_allclose(posterior[ACTIVATION, 1], [0.25, 0.25, 0.25, 0.25, 0, 0, 0])


def test_components_keep_what_they_can_and_end_alike_whatever_is_held_out():
    x = np.random.default_rng(0).normal(size=(20, 6)) @ np.diag([9, 5, 1, 0.1, 0.1, 0.1]) + 3
    own = Components.fit(x, 2, 20)
    ours, theirs = own(x), (x - x.mean(axis=0)) @ np.linalg.svd(x - x.mean(axis=0))[2][:2].T
    np.testing.assert_allclose(np.abs(ours) * np.abs(theirs).max() / np.abs(ours).max(), np.abs(theirs), atol=1e-3)
    assert Components.fit(x[:3], 6, 20).axes.shape == Components.fit(x, 6, 20).axes.shape


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("kennen-o?questions=0", "questions is 0: give at least 1"),
        ("kennen-o?output=score", None),
        ("kennen-i?rate=0", "rate is 0"),
        ("kennen-z", "did you mean"),
    ],
)
def test_names_set_fields_and_refuse_others(words, sentence):
    if sentence is None:
        assert lookup(words).output == "score"
        return
    with pytest.raises(InputError, match=sentence):
        lookup(words)


def test_what_cannot_be_read_is_refused(nets):
    few = dataclasses.replace(ACCESS, classes=3)
    with pytest.raises(InputError, match="tells 7 values apart by the label and the victim has 3 classes"):
        KennenI().fit(nets, nets.codes, [0, 1], POOL, few)
    with pytest.raises(InputError, match="there are 24 records to ask"):
        KennenO(questions=25).fit(nets, nets.codes, [0, 1], POOL, ACCESS)
    with pytest.raises(InputError, match="dropout is 1"):
        Perceptron(dropout=1.0)
