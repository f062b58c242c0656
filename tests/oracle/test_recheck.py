"""Whether the victim behind an address is still the one whose answers are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.kept import ACCESS, BATCHES, fill, probability, same, victim

from jaxattack.oracle import from_function, journalled, label_only, noisy
from jaxattack.oracle.recheck import distance, is_another, spread
from jaxattack.types import Access, Answer, InputError, Inputs

LABELS = Access(level="label", classes=3, inputs=Inputs.box(-1, 1, (2,)))


def _scores(values):
    values = np.asarray(values, float)
    return [Answer(values.argmax(1), values)]


def _never():
    raise AssertionError("asked once more")


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(0, 12))
def test_questions_are_spread_over_all_that_were_kept(counts, questions):
    rows = spread(counts, questions)
    chosen = [(batch, int(row)) for batch, some in rows.items() for row in some]
    assert len(chosen) == len(set(chosen)) == (min(questions, sum(counts)))
    assert all(0 <= row < counts[batch] for batch, row in chosen)
    if chosen:  # the comparison is made when the last batch is replayed
        last = max(batch for batch, count in enumerate(counts) if count)
        assert (last, counts[last] - 1) in chosen


def test_distance_in_closed_form():
    one, other = _scores([[0.5, 0.3, 0.2]]), _scores([[0.2, 0.3, 0.5]])
    assert distance(one, other, ACCESS) == pytest.approx((2 * 0.09 / 3) ** 0.5)
    assert distance([Answer(np.array([0, 1, 2, 0]))], [Answer(np.array([0, 1, 1, 1]))], LABELS) == 0.5


def test_the_same_answers_are_asked_for_once():
    one = _scores([[0.5, 0.3, 0.2]])
    assert not is_another(one, _scores([[0.5 + 1e-12, 0.3 - 1e-12, 0.2]]), _never, ACCESS)


def test_other_answers_that_stay_are_another_victims():
    one, other = _scores([[0.5, 0.3, 0.2]]), _scores([[0.5001, 0.2999, 0.2]])
    assert is_another(one, other, lambda: other, ACCESS)
    assert is_another(
        [Answer(np.array([0, 1]))], [Answer(np.array([0, 2]))], lambda: [Answer(np.array([0, 2]))], LABELS
    )


def test_a_victim_that_answers_at_random_is_itself_and_no_other():
    rng = np.random.default_rng(0)
    centre = rng.dirichlet(np.ones(3), 8)

    def noisy_answer(of, scale):
        return _scores(of + scale * rng.standard_normal(of.shape))

    wrong = [
        is_another(noisy_answer(centre, 0.1), noisy_answer(centre, 0.1), lambda: noisy_answer(centre, 0.1), ACCESS)
        for _ in range(500)
    ]
    assert sum(wrong) <= 5
    moved = [
        is_another(
            noisy_answer(centre, 0.1), noisy_answer(moved, 0.1), lambda moved=moved: noisy_answer(moved, 0.1), ACCESS
        )
        for moved in (np.roll(centre, 1, axis=1) + 1.0,)
    ]
    assert moved == [True]


def test_a_journal_asks_a_few_again_and_pays_for_them(tmp_path):
    first, answers = fill(tmp_path)
    inner = victim()
    with journalled(inner, tmp_path) as again:
        again.recheck(3)
        for x, answer in zip(BATCHES, answers, strict=True):
            same(again(x), answer)
        assert inner.ledger.queries == 3
        assert again.ledger.queries == again.paid.queries == first.ledger.queries + 3
    with journalled(victim(), tmp_path) as third:
        assert (third.rechecked, third.paid.queries) == (3, first.ledger.queries + 3)
        for x, answer in zip(BATCHES, answers, strict=True):
            same(third(x), answer)
        assert third.ledger.queries == third.paid.queries


def test_what_asking_again_cost_that_failed_is_kept(tmp_path):
    first, answers = fill(tmp_path)
    inner = from_function(lambda x: 1 / 0, ACCESS)
    with journalled(inner, tmp_path) as again:
        again.recheck(3)
        with pytest.raises(ZeroDivisionError):
            [again(x) for x in BATCHES]
        assert inner.ledger.queries == again.paid.queries - first.ledger.queries == 1
    with journalled(victim(), tmp_path) as third:
        assert (third.rechecked, third.paid.queries) == (1, first.ledger.queries + 1)
        for x, answer in zip(BATCHES, answers, strict=True):
            same(third(x), answer)
        assert third.ledger.queries == third.paid.queries


def test_a_journal_of_another_victim_is_refused_before_its_last_answer(tmp_path):
    fill(tmp_path)
    inner = from_function(lambda x: np.roll(probability(x), 1, axis=1), ACCESS)
    with journalled(inner, tmp_path) as again:
        again.recheck(4)
        for x in BATCHES[:-1]:
            again(x)
        with pytest.raises(InputError, match="answers of another victim .*answered otherwise now.*give another folder"):
            again(BATCHES[-1])
        assert inner.ledger.queries == 8


def test_labels_of_another_victim_are_refused(tmp_path):
    with journalled(label_only(victim()), tmp_path) as first:
        for x in BATCHES:
            first(x)
    with journalled(label_only(from_function(lambda x: np.roll(probability(x), 1, axis=1), ACCESS)), tmp_path) as again:
        again.recheck(8)
        with pytest.raises(InputError, match="another victim"):
            [again(x) for x in BATCHES]


def test_noise_that_nobody_documents_is_no_other_victim(tmp_path):
    def served(seed):
        """As a service has it: the defence is on the other side of the wire."""
        oracle = noisy(victim(), 0.05, seed)
        return from_function(lambda x: oracle(x), ACCESS)

    with journalled(served(0), tmp_path) as first:
        answers = [first(x) for x in BATCHES]
    with journalled(served(1), tmp_path) as again:
        again.recheck(8)
        for x, answer in zip(BATCHES, answers, strict=True):
            same(again(x), answer)
