from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.defences import Noise, Purifier, Round, terms_behind
from jaxattack.defences.purifier import exchange, is_near, top_two
from jaxattack.metrics import auc, roc_curve
from jaxattack.oracle import defended, from_function
from jaxattack.types import Access, Answer, Endpoint, InputError, Inputs

RNG = np.random.default_rng(5)
COUNT, CLASSES = 400, 5
MEMBER = np.arange(COUNT) < COUNT // 2
X = RNG.standard_normal((COUNT, 3)).astype(np.float32)
# Members are answered more surely, and more often right: nine times of ten against six.
P = softmax(RNG.standard_normal((COUNT, CLASSES)) * np.where(MEMBER, 6.0, 1.0)[:, None], axis=1).astype(np.float32)
LABEL = P.argmax(1)
RIGHT = RNG.random(COUNT) < np.where(MEMBER, 0.9, 0.6)
Y = np.where(RIGHT, LABEL, np.argsort(-P, axis=1)[:, 2])
ANSWER = Answer(LABEL, P)


@functools.cache
def fit(defence):
    """Compiled once: what it learns where the model answers p."""

    def of(p):
        endpoint = Endpoint(lambda: jnp.asarray(X), lambda _: Answer(jnp.asarray(LABEL), p))
        return defence.fit(jax.random.key(0), endpoint, jnp.asarray(Y), jnp.asarray(MEMBER, jnp.float32))

    return jax.jit(of)


def fitted(defence):
    return fit(defence)(P)


@pytest.fixture(scope="module")
def reformer():
    defence = Purifier(swap=False)
    return defence, fitted(defence)


@pytest.fixture(scope="module")
def swapper():
    defence = Purifier(reform=False)
    return defence, fitted(defence)


def answered(made, answer=ANSWER, x=X):
    defence, state = made
    return jax.jit(lambda p, x: defence.answer(state, Answer(answer.label, p), x, None))(answer.probability, x)


def surest(p):
    return auc(roc_curve(np.asarray(p, np.float64).max(1), MEMBER))


def test_reformed_confidences_keep_label_and_simplex_and_tell_members_less_apart(reformer):
    answer = answered(reformer)
    p = np.asarray(answer.probability)
    np.testing.assert_array_equal(answer.label, LABEL)
    np.testing.assert_array_equal(p.argmax(1), LABEL)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    assert (p >= 0).all()
    assert surest(P) > 0.85
    assert np.abs(p.max(1)[MEMBER].mean() - p.max(1)[~MEMBER].mean()) < 0.5 * (
        P.max(1)[MEMBER].mean() - P.max(1)[~MEMBER].mean()
    )


def test_the_reformer_never_sees_a_member(reformer):
    defence, state = reformer
    again = fit(defence)(np.where(MEMBER[:, None], P[::-1], P))
    for one, same in zip(jax.tree.leaves(state[0]), jax.tree.leaves(again[0]), strict=True):
        np.testing.assert_allclose(one, same, atol=1e-6)


def test_exchanged_labels_make_members_right_as_often_as_others(swapper):
    answer = answered(swapper)
    right = np.asarray(answer.label) == Y
    assert right[~MEMBER].mean() == RIGHT[~MEMBER].mean()  # no other record is answered as a member is
    assert RIGHT[MEMBER].mean() > RIGHT[~MEMBER].mean() + 0.2
    # A fair coin a member: four standard errors.
    assert right[MEMBER].mean() == pytest.approx(RIGHT[~MEMBER].mean(), abs=4 * np.sqrt(0.25 / MEMBER.sum()))
    p = np.asarray(answer.probability)
    np.testing.assert_array_equal(p.argmax(1), answer.label)
    np.testing.assert_array_equal(np.sort(p, axis=1), np.sort(P, axis=1))
    np.testing.assert_array_equal(answer.label, answered(swapper).label)  # the coin belongs to the record


def test_its_probability_is_that_of_the_module(swapper):
    share = float(swapper[1][2])
    second = np.argsort(-P, axis=1)[:, 1]
    gain = RIGHT[MEMBER].mean() - (second == Y)[MEMBER].mean()
    # The reserve is half of the others: its accuracy is theirs to sampling.
    assert share == pytest.approx((RIGHT[MEMBER].mean() - RIGHT[~MEMBER].mean()) / gain, abs=0.15)


def test_with_neither_it_changes_nothing():
    nothing = Purifier(reform=False, swap=False)
    assert nothing.answer(fitted(nothing), ANSWER, X, None) is ANSWER


def test_exchange_and_top_two_by_hand():
    p = jnp.asarray([[0.1, 0.6, 0.3]])
    first, second = top_two(p, jnp.asarray([1]))
    assert (int(first[0]), int(second[0])) == (1, 2)
    np.testing.assert_allclose(exchange(p, first, second), [[0.1, 0.3, 0.6]])
    known = jnp.asarray([[0.1, 0.6, 0.3], [jnp.inf] * 3])
    np.testing.assert_array_equal(is_near(jnp.asarray([[0.1, 0.6, 0.3], [0.2, 0.5, 0.3]]), known, 0.1), [True, False])


@pytest.mark.parametrize("fields", [{"radius": -1.0}, {"passes": 0}])
def test_values_out_of_range_are_refused(fields):
    with pytest.raises(InputError, match=f"{next(iter(fields))} is"):
        Purifier(**fields)


def test_an_oracles_answers_of_64_bits_teach_as_those_of_32_do():
    def learnt(p):
        endpoint = Endpoint(lambda: X, lambda _: Answer(LABEL, p))
        return Purifier(reform=False).fit(jax.random.key(0), endpoint, jnp.asarray(Y), jnp.asarray(MEMBER, jnp.float32))

    for a, b in zip(jax.tree.leaves(learnt(P.astype(np.float64))), jax.tree.leaves(learnt(P)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("chain", "refused"),
    [
        ((Noise(), Purifier()), True),
        ((Noise(), Round(), Purifier(reform=False)), True),
        ((Purifier(), Noise()), False),
        ((Noise(by_record=True), Purifier()), False),
        ((Noise(), Purifier(swap=False)), False),
    ],
)
def test_behind_noise_that_is_drawn_afresh_it_would_know_no_member_and_is_refused(chain, refused):
    # Two draws of the noise are never as near as the copies of one answer that it looks for: it would know none again.
    terms = Access(level="probability", classes=CLASSES, inputs=Inputs.box(-9, 9, (3,)))
    oracle = from_function(lambda x: np.full((len(x), CLASSES), 1 / CLASSES), terms)

    def behind(oracle, chain):
        return functools.reduce(defended, chain, oracle)

    for put in (lambda: terms_behind(chain, terms), lambda: behind(oracle, chain)):
        if not refused:
            put()
            continue
        with pytest.raises(InputError, match="knows answers again"):
            put()
