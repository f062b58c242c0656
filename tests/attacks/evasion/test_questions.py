"""Attacks that only ask: what they ask, of whom, and that a model at hand and a service are searched alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.evasion.by_questions import BY_QUESTIONS
from attacks.evasion.linear_victims import CLASSES, FEATURES, constant, leaky, records

from jaxattack.attacks.evasion import NES, SPSA, ZOO, Boundary, HopSkipJump, OnePixel, Square
from jaxattack.oracle import budgeted, from_function
from jaxattack.types import Access, InputError, Inputs

FORMULA = {
    "boundary": 1 + 10,  # no try is outside
    "nes": 1 + 40 * 2 * 8,
    "spsa": 1 + 40 * 2 * 8,
    "zoo": 1 + 4 * 60 * 2 * FEATURES,
    "square": 150,
    "one-pixel": 1 + 12 * (1 + 9),
}


@pytest.mark.parametrize("name", BY_QUESTIONS)
def test_the_ledger_is_the_formula_where_nobody_is_fooled(name):
    attack = BY_QUESTIONS[name]
    both = constant(level="label" if name == "boundary" else "logit")
    x, y = records(both, 6)
    evasion = attack(both.oracle, x, y)
    assert (evasion.questions == FORMULA[name]).all()
    assert FORMULA[name] <= attack.on_records((FEATURES,)).queries
    assert both.oracle.ledger.queries == 6 * FORMULA[name]


def test_a_model_at_hand_is_asked_the_same_as_a_service():
    both = leaky(level="logit")
    x, y = records(both, 11, wrong=3)
    far, near = (BY_QUESTIONS["square"](victim, x, y) for victim in (both.oracle, both.box))
    np.testing.assert_allclose(near.example, far.example, atol=1e-4)
    for one, other in ((near.questions, far.questions), (near.first, far.first), (near.success, far.success)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_hopskipjump_finds_the_same_of_a_model_at_hand_at_every_place_of_its_plan(norm):
    both = leaky()
    x, y = records(both, 11, wrong=3)
    attack = HopSkipJump(queries=150, norm=norm)
    far, near = attack(both.oracle, x, y), attack(both.box, x, y)
    np.testing.assert_array_equal(near.success, far.success)
    np.testing.assert_array_equal(near.first, far.first)
    np.testing.assert_allclose(getattr(near.distance, norm), getattr(far.distance, norm), atol=2e-3)
    assert (near.questions[near.right] == 150).all()
    assert (far.questions[far.right] <= 150).all()


def test_what_happens_to_a_record_does_not_depend_on_the_others():
    both = leaky(level="logit")
    x, y = records(both, 8)
    together = BY_QUESTIONS["square"](both.oracle, x, y)
    alone = BY_QUESTIONS["square"](both.oracle, x[:3], y[:3])
    np.testing.assert_array_equal(together.example[:3], alone.example)
    np.testing.assert_array_equal(together.questions[:3], alone.questions)


def test_questions_end_with_the_first_example():
    both = leaky(level="logit")
    x, y = records(both, 8)
    evasion = BY_QUESTIONS["square"](both.oracle, x, y)
    np.testing.assert_array_equal(evasion.first, evasion.questions)
    walk = BY_QUESTIONS["boundary"](both.oracle, x, y)
    assert (walk.first < walk.questions).all()


def test_a_budget_that_ends_leaves_the_best_until_then():
    both = leaky(level="logit")
    x, y = records(both, 8)
    evasion = BY_QUESTIONS["zoo"](budgeted(both.oracle, 400), x, y)
    assert not evasion.complete
    assert "the budget ended before the search did: the budget of 400 queries" in evasion.reason
    assert evasion.cost.queries == evasion.questions.sum() <= 400
    np.testing.assert_array_equal(both.label(evasion.example) != y, evasion.success)


def test_the_nearest_boundary_of_a_linear_victim_is_met():
    both = leaky(level="logit")
    x, y = records(both, 8)
    away = both.weight[:, y].T[:, :, None] - both.weight[None]
    z = x @ both.weight + both.bias
    with np.errstate(invalid="ignore", divide="ignore"):
        far = np.nanmin((z.max(axis=1, keepdims=True) - z) / np.linalg.norm(away, axis=1), axis=1) / 8.0
    for name, excess in (("zoo", 0.1), ("boundary", 0.3)):
        evasion = BY_QUESTIONS[name](both.oracle, x, y)
        assert evasion.success.all()
        assert np.median(evasion.distance.l2 / far - 1) < excess
        assert (evasion.distance.l2 / far > 1 - 1e-4).all()


def test_labels_alone_are_enough_for_the_walk_and_for_no_other():
    both = leaky()
    x, y = records(both, 4)
    for name, attack in BY_QUESTIONS.items():
        if name != "boundary":
            with pytest.raises(InputError, match=f"{name} needs confidences and the victim answers labels alone"):
                attack(both.oracle, x, y)
    assert both.oracle.ledger.queries == 0


def test_confidences_say_as_much_as_logits_and_the_likeliest_alone_nearly_so():
    both = leaky(level="logit")
    x, y = records(both, 8)

    def softmax(x):
        z = x @ both.weight + both.bias
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    expected = BY_QUESTIONS["square"](both.oracle, x, y)
    terms = replace(both.oracle.access, level="probability")
    for top in (0, CLASSES - 1):
        evasion = BY_QUESTIONS["square"](from_function(softmax, replace(terms, top=top)), x, y)
        np.testing.assert_array_equal(evasion.example, expected.example)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Square(size=0.0), "size is 0.0"),
        (lambda: Square(queries=1), "queries is 1"),
        (lambda: NES(pairs=0), "pairs is 0"),
        (lambda: NES(momentum=1.0), "momentum is 1.0"),
        (lambda: SPSA(scale=2.0), "scale is 2.0"),
        (lambda: ZOO(kappa=-1.0), "kappa is -1.0"),
        (lambda: ZOO(weight=0.0), "weight is 0.0"),
        (lambda: Boundary(least=0.0), "least is 0.0"),
        (lambda: OnePixel(population=3), "population is 3"),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("attack", [HopSkipJump(queries=300), Square(queries=150)], ids=lambda one: one.name)
def test_a_service_of_whole_numbers_is_asked_about_what_it_reads_and_so_are_its_distances(attack):
    weight = np.random.default_rng(0).normal(size=12)
    asked = []

    def answer(x):
        asked.append(x)
        z = (np.rint(x) - 5) @ weight
        return np.stack([-z, z], axis=1)

    inputs = replace(Inputs.box(0, 10, (12,)), whole=True)
    oracle = from_function(answer, Access(level="logit", classes=2, inputs=inputs))
    x = np.random.default_rng(1).integers(0, 11, (8, 12)).astype(float)
    y = oracle(x).label
    evasion = attack(oracle, x, y)
    assert evasion.success.any()
    for points in (np.concatenate(asked), evasion.example):
        np.testing.assert_array_equal(points, np.rint(points))
    np.testing.assert_array_equal(oracle(evasion.example).label != y, evasion.success)


@pytest.mark.parametrize("name", BY_QUESTIONS)
def test_a_class_that_is_masked_out_leaves_margins_that_are_numbers(name):
    """Of two classes the one at -inf left margins of infinity, whose differences led to questions of NaN, which were refused."""

    def answer(x):
        z = np.stack([x[:, 0], -x[:, 0]], axis=1)
        z[np.arange(len(x)), z.argmin(axis=1)] = -np.inf
        return z

    terms = Access(level="logit", classes=2, inputs=Inputs.box(-1, 1, (3,)))
    x, y = np.array([[0.02, 0.1, -0.2], [-0.9, 0.3, 0.5]]), np.array([0, 1])
    evasion = BY_QUESTIONS[name](from_function(answer, terms), x, y)
    assert evasion.right.all()
    assert np.isfinite(evasion.example).all()
    np.testing.assert_array_equal(answer(evasion.example).argmax(axis=1) != y, evasion.success)
