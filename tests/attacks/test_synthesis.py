"""Chains in lockstep against one chain after another, written out, and where they must end."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.attacks.membership.synthesis import HillClimb, propose
from jaxattack.oracle import budgeted, from_function
from jaxattack.types import Access, InputError, Inputs

FEATURES, CLASSES = 12, 3
BITS = Inputs(low=np.zeros(FEATURES), high=np.ones(FEATURES), categories=np.full(FEATURES, 2))
WEIGHT = np.random.default_rng(0).normal(0, 1, (FEATURES, CLASSES))


def victim(weight=WEIGHT, level="probability", inputs=BITS):
    def answer(x):
        z = x @ weight
        return z if level == "logit" else softmax(z, axis=1) if level == "probability" else z.argmax(axis=1)

    return from_function(answer, Access(level=level, classes=weight.shape[1], inputs=inputs))


draw = jax.jit(propose, static_argnums=3)


def chain(climb: HillClimb, number: int, cls: int, seed: int):
    """The paper's algorithm for one chain, with the package's draws alone."""
    best_x, best, rejected, size = np.zeros(FEATURES), 0.0, 0, min(climb.most, FEATURES)
    key = jax.random.key(seed)
    for step in range(climb.queries):
        share, rank, u = map(np.asarray, draw(key, number, step, FEATURES))
        x = fresh = np.array([0.0 if part < 0.5 else 1.0 for part in share])
        if step:
            x = best_x.copy()
            for feature in range(FEATURES):
                if rank[feature] < size:
                    x[feature] = fresh[feature]
        p = softmax(x @ WEIGHT)
        if p[cls] >= best:
            best_x, best, rejected = x, p[cls], 0
            if p[cls] > climb.confidence and p.argmax() == cls and u < p[cls]:
                return best_x, True, best, step + 1
        else:
            rejected += 1
            if rejected > climb.rejections:
                size, rejected = max(climb.fewest, int(np.ceil(size / 2))), 0
    return best_x, False, best, climb.queries


def test_chains_in_lockstep_are_those_climbed_one_after_another():
    climb = HillClimb(most=8, fewest=1, rejections=2, confidence=0.9, queries=25)
    classes = np.arange(60) % CLASSES
    together = climb(victim(), classes, seed=3)
    for number, cls in enumerate(classes):
        x, emitted, best, queries = chain(climb, number, int(cls), seed=3)
        np.testing.assert_array_equal(together.x[number], x)
        assert (together.emitted[number], together.queries[number]) == (emitted, queries)
        assert together.confidence[number] == pytest.approx(best)
    assert 0 < together.emitted.sum() < len(classes)  # some climb, and some give up
    assert together.complete


def test_emitted_records_are_confident_of_their_class_and_carry_its_bit():
    weight = np.zeros((FEATURES, CLASSES))
    weight[[1, 4, 7], [0, 1, 2]] = 8
    oracle, classes = victim(weight), np.arange(60) % CLASSES
    made = HillClimb(confidence=0.6)(oracle, classes)
    assert made.emitted.all()
    assert (made.confidence > 0.6).all()
    np.testing.assert_array_equal(made.x[np.arange(60), np.array([1, 4, 7])[classes]], 1)
    assert made.queries.sum() == oracle.ledger.queries
    np.testing.assert_allclose(softmax(made.x @ weight, axis=1)[np.arange(60), classes], made.confidence)


def test_less_confidence_takes_fewer_queries_and_raw_outputs_serve_as_well():
    classes = np.arange(60) % CLASSES
    queries = [HillClimb(confidence=share)(victim(), classes).queries.mean() for share in (0.2, 0.6, 0.9)]
    assert queries == sorted(queries)
    assert queries[0] < queries[2]
    logits, probabilities = (HillClimb(queries=3)(victim(level=level), classes) for level in ("logit", "probability"))
    np.testing.assert_array_equal(logits.x, probabilities.x)


def test_records_are_within_what_the_target_documents():
    inputs = Inputs(low=np.full((2, 3), -2.0), high=np.full((2, 3), 5.0), categories=np.zeros((2, 3), int), whole=True)
    whole = from_function(
        lambda x: np.ones((len(x), 2)) / 2, Access(level="probability", classes=2, inputs=inputs)
    )  # fmt: skip
    x = HillClimb(queries=1)(whole, np.zeros(60, int)).x
    assert x.shape == (60, 2, 3)
    assert {*np.unique(x)} == {*range(-2, 6)}


def test_a_budget_that_ends_leaves_what_there_is():
    made = HillClimb(confidence=0.97)(budgeted(victim(), 150), np.arange(60) % CLASSES)
    assert not made.complete
    assert made.queries.sum() <= 150
    assert made.queries.max() >= 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fewest": 0}, "fewest is 0"),
        ({"most": 3}, "most is 3 and fewest 4"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"queries": 0}, "queries is 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        HillClimb(**settings)


def test_labels_alone_and_classes_that_there_are_not_are_refused():
    with pytest.raises(InputError, match="answers labels alone"):
        HillClimb()(victim(level="label"), np.zeros(3, int))
    with pytest.raises(InputError, match="from 0 to 2"):
        HillClimb()(victim(), np.array([0, 3]))
