"""Encrypted questions: answered as plain ones are, by a service that cannot read them; and the model is stolen all the same."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from jaxattack.attacks.extraction import Softmax
from jaxattack.audit import extract, open_victim
from jaxattack.audit.encryption import NOTE, affine, under_encryption
from jaxattack.oracle import CKKS, encrypted
from jaxattack.oracle.encryption import Service
from jaxattack.oracle.identity import content
from jaxattack.types import Answer, InputError, Inputs

needs_tenseal = pytest.mark.skipif(
    find_spec("tenseal") is None, reason="tenseal, of the extra encrypted, is not installed"
)
RNG = np.random.default_rng(0)
WEIGHT, OFFSET = RNG.normal(size=(6, 3)), RNG.normal(size=3)
INPUTS = Inputs.box(0, 1, (2, 3))
SMALL = CKKS(degree=4096, chain=(40, 20, 40), scale=20)


@pytest.fixture(scope="module")
def oracle():
    pytest.importorskip("tenseal", reason="tenseal, of the extra encrypted, is not installed")
    return encrypted(WEIGHT, OFFSET, inputs=INPUTS)


def logits(x):
    return x.reshape(len(x), -1) @ WEIGHT + OFFSET


def test_answers_are_those_of_the_model_up_to_the_schemes_error(oracle):
    x = RNG.random((7, 2, 3))
    answer = oracle(x)
    np.testing.assert_allclose(answer.logit, logits(x), atol=1e-5)
    np.testing.assert_array_equal(answer.label, logits(x).argmax(axis=1))
    again = oracle(x).logit
    assert 0 < np.abs(again - answer.logit).max() < 1e-5  # encrypted anew
    assert (oracle.access.level, oracle.access.precision) == ("logit", "float32")


def test_the_ledger_has_the_bytes_of_ciphertexts(oracle):
    before = oracle.ledger
    oracle(RNG.random((1, 2, 3)))
    one = oracle.ledger - before
    oracle(RNG.random((50, 2, 3)))
    fifty = oracle.ledger - before - one
    assert (one.queries, one.calls, fifty.queries) == (1, 1, 50)
    assert 6 * 200_000 < one.bytes < 2_500_000  # a ciphertext of some 235 kB a feature, and one of half of that a class
    assert fifty.bytes == pytest.approx(one.bytes, rel=0.01)  # they share the slots


@needs_tenseal
def test_more_questions_than_slots_are_asked_in_parts():
    small = encrypted(WEIGHT, OFFSET, inputs=INPUTS, scheme=SMALL)
    x = RNG.random((SMALL.degree // 2 + 1, 2, 3))
    answer = small(x)
    assert small.ledger.calls == 1
    assert np.abs(answer.logit - logits(x)).max() < 2  # an error as large as the scale is small
    assert len(small(x[:0]).label) == 0


@needs_tenseal
def test_the_service_gets_no_secret_key_and_nothing_that_shows_the_question(oracle, monkeypatch):
    seen = []
    answer = Service.answer
    monkeypatch.setattr(Service, "answer", lambda self, question: seen.append(question) or answer(self, question))
    x = RNG.random((2, 2, 3))
    oracle(x)
    oracle(x)
    assert not oracle._service.can_decrypt
    assert seen[0] != seen[1]
    assert not any(value.tobytes() in question for question in seen for value in x.ravel())


def test_two_oracles_of_the_same_weights_are_the_same_victim(oracle):
    assert content(oracle) == content(encrypted(WEIGHT, OFFSET, inputs=INPUTS))
    assert content(oracle) != content(encrypted(WEIGHT + 1e-9, OFFSET, inputs=INPUTS))


@needs_tenseal
def test_65_encrypted_questions_give_all_650_weights():
    victim = under_encryption(open_victim("logistic", data="digits"))
    findings = extract(victim, Softmax(), trials=0, compare=100).findings
    assert findings.cost.attack <= 65 + 1  # the check asks the first question twice
    assert findings.parameters.unknowns == 650
    assert findings.parameters.max < 1e-5
    assert findings.fidelity.uniform.agreement == findings.fidelity.held_out.agreement == 1
    assert NOTE in findings.notes
    assert findings.victim.transport == "under encryption (CKKS, degree 8,192, scale 2^40), in this process"


@pytest.mark.parametrize("name", ["logistic", "softmax"])
def test_the_weights_of_a_linear_victim_are_read_off(name):
    victim = open_victim(name, data="iris", **({"fresh": True} if name == "softmax" else {}))
    weight, offset = affine(victim.twin, victim.oracle.access.inputs, name)
    x = victim.x
    answer = victim.twin(x)
    scores = np.log(answer.probability) if answer.logit is None else answer.logit
    ours = x.reshape(len(x), -1) @ weight + offset
    np.testing.assert_allclose(ours - ours[:, :1], scores - scores[:, :1], atol=1e-7)


def test_what_is_not_linear_or_not_at_hand_is_refused():
    victim = open_victim("kernel", data="iris")
    with pytest.raises(InputError, match=r"kernel on iris is not linear"):
        under_encryption(victim)
    with pytest.raises(InputError, match="known by its answers alone"):
        under_encryption(type(victim)(name="a service", oracle=victim.oracle))
    with pytest.raises(InputError, match="not linear"):
        affine(lambda x: Answer(np.zeros(len(x), int), np.eye(3)[[0] * len(x)]), INPUTS, "a step")  # log 0


def test_without_tenseal_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr("jaxattack.oracle.encryption.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"encrypted questions need tenseal: pip install "):
        encrypted(WEIGHT, OFFSET, inputs=INPUTS)


@needs_tenseal
@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"degree": 1000}, "degree is 1000"),
        ({"chain": (60,)}, r"chain is \(60,\)"),
        ({"chain": (60, 61)}, "chain is"),
        ({"scale": 0}, "scale is 0"),
        ({"degree": 1024}, "which TenSEAL refuses"),
    ],
)
def test_parameters_that_are_none_or_not_safe_are_refused(wrong, match):
    with pytest.raises(InputError, match=match):
        encrypted(WEIGHT, OFFSET, inputs=INPUTS, scheme=CKKS(**wrong))
    with pytest.raises(InputError, match=r"give weight the shape"):
        encrypted(WEIGHT[:2], OFFSET, inputs=INPUTS)


def test_numbers_that_wrap_round_are_refused_and_those_below_are_right():
    weight, size = np.eye(2), 4096
    oracle = encrypted(weight, np.zeros(2), inputs=Inputs.box(-1e12, 1e12, (2,)))
    x = np.full((size, 2), [5e5, -5e5])
    np.testing.assert_allclose(oracle(x).logit, x, atol=10)
    for large in (5.5e5, 1e10, 1e30):
        with pytest.raises(InputError, match="wrap round under encryption: scale the records"):
            oracle(x / 5e5 * large)
