"""PRADA: beside a twin written from the authors' program, on streams whose alarm is known, and blind to scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jaxattack.oracle import PRADA, from_function, prada, watched
from jaxattack.oracle.prada import Stream, shapiro_wilk
from jaxattack.types import Access, InputError, Inputs

UNIT = Inputs.box(0, 1, (6,))


def twin(x, label, delta):
    """One question after the other, as growing_set.py does; the numbers and statistics of its tests, to its alarm."""
    growing, joined, threshold, distances, tests = {}, {}, {}, {}, []
    for number, (point, c) in enumerate(zip(x, label, strict=True)):
        if c not in growing:
            growing[c], joined[c], threshold[c] = [point], [0.0], 0.0
        else:
            d = min(np.sqrt(np.sum((point - other) ** 2)) for other in growing[c])
            distances.setdefault(c, []).append(d)
            if d > threshold[c]:
                growing[c].append(point)
                joined[c].append(d)
                threshold[c] = max(np.mean(joined[c]) - np.std(joined[c]), threshold[c])
        if number % 10 == 0:
            pooled = np.array([d for each in distances.values() if len(each) >= 10 for d in each])
            if len(pooled):
                pooled = pooled[abs(pooled - pooled.mean()) < 3 * pooled.std()]
            if len(pooled) > 100:
                tests.append((number + 1, stats.shapiro(pooled).statistic))
                if tests[-1][1] < delta:
                    break
    return tests


def stream(x, label, inputs=UNIT, *, parts=1, **settings):
    seen = Stream(PRADA(**settings), inputs)
    for some, labels in zip(np.array_split(x, parts), np.array_split(label, parts), strict=True):
        seen.add(some, labels)
    return seen.watch


@pytest.fixture(scope="module")
def questions():
    rng = np.random.default_rng(0)
    x = rng.normal(0.5, 0.15, (600, 6))
    x[rng.integers(600, size=40)] = x[0]  # repeats
    return x, rng.integers(0, 4, 600)


@pytest.mark.parametrize("parts", [1, 7, 600])
def test_a_block_gives_what_one_question_after_the_other_gives(questions, parts):
    watch, tests = stream(*questions, parts=parts, delta=0.0), twin(*questions, delta=0.0)
    assert watch.question.tolist() == [number for number, _ in tests]
    np.testing.assert_allclose(watch.statistic, [w for _, w in tests], rtol=1e-12)
    assert (watch.questions, watch.alarm) == (600, None)
    assert 20 <= watch.repeats <= 40  # of the 40, those of which the first one has joined


def test_more_questions_than_a_block_and_than_its_points(questions, monkeypatch):
    tests = [w for _, w in twin(*questions, delta=0.0)]
    monkeypatch.setattr(prada, "BLOCK", 64)
    np.testing.assert_allclose(stream(*questions, delta=0.0).statistic, tests, rtol=1e-12)


def test_the_alarm_is_the_question_of_the_first_statistic_below_delta(questions):
    full = stream(*questions, delta=0.0)
    delta = float(np.sort(full.statistic)[3]) + 1e-9
    watch = stream(*questions, delta=delta)
    assert watch.alarm == full.at(delta) == twin(*questions, delta=delta)[-1][0] == watch.question[-1]
    assert watch.alarm % 10 == 1
    assert watch.questions == 600
    assert watch.lowest == watch.statistic[-1] < delta


def test_it_does_not_matter_in_what_units_pictures_are():
    rng = np.random.default_rng(2)
    picture, label = rng.integers(0, 256, (300, 6)), rng.integers(0, 2, 300)
    bytes_ = stream(picture.astype(np.uint8), label, Inputs.box(0, 255, (6,)), delta=0.0)
    floats = stream(picture / 127.5 - 1, label, Inputs.box(-1, 1, (6,)), delta=0.0)
    np.testing.assert_allclose(bytes_.statistic, floats.statistic, rtol=1e-9)
    assert len(bytes_.statistic) > 10


def test_columns_of_a_table_count_alike_and_what_is_missing_is_in_the_middle():
    rng = np.random.default_rng(3)
    x, label = rng.random((300, 3)), np.zeros(300, int)
    wide = Inputs(low=np.array([0.0, -5, 1]), high=np.array([1e6, 5, 1]), categories=np.zeros(3, int), missing=True)
    scaled = x * [1e6, 10, 1] + [0, -5, 1]
    scaled[::3, 1], x[::3, 1] = np.nan, 0.5
    one = stream(scaled, label, wide, delta=0.0).statistic
    np.testing.assert_allclose(one, stream(x, label, Inputs.box(0, 1, (3,)), delta=0.0).statistic, rtol=1e-9)


def test_distances_that_are_chosen_are_the_sample_of_shapiro_and_wilk():
    """The origin, and then a question on an axis of its own each: d is how far out it is, whatever has joined."""
    rng, axes, none = np.random.default_rng(4), Inputs.box(0, 1, (400,)), np.zeros(400, int)

    def star(d):
        return np.diag(np.append(0.0, d))

    d = rng.normal(0.5, 0.05, 399)
    watch = stream(star(d), none, axes)
    middle = d[:390][np.abs(d[:390] - d[:390].mean()) < 3 * d[:390].std()]
    assert (watch.alarm, watch.question[-1]) == (None, 391)
    assert watch.statistic[-1] == pytest.approx(stats.shapiro(middle).statistic, rel=1e-12)
    assert stream(star(rng.choice([0.2, 0.8], 399)), none, axes).alarm == 111
    repeated = star(d)
    repeated[150:] = repeated[:250]
    assert stream(repeated, none, axes).alarm > 150


def test_a_stream_of_one_question_or_of_equal_steps_is_not_tested():
    same = stream(np.full((500, 6), 0.5), np.zeros(500, int))
    assert (len(same.question), same.repeats, same.lowest, same.alarm) == (0, 499, None, None)
    assert shapiro_wilk(np.full(200, 0.1), 100) is None
    assert shapiro_wilk(np.linspace(0, 1, 100), 100) is None
    assert shapiro_wilk(np.linspace(0, 1, 6000), 100) == pytest.approx(0.955, abs=0.005)  # no warning of its p-value


def test_classes_with_few_distances_are_left_out():
    rng = np.random.default_rng(5)
    x, label = rng.random((120, 6)), np.zeros(120, int)
    label[60:69] = 1  # 8 distances
    assert len(stream(x, label, delta=0.0, sample=112).question) == 0
    assert len(stream(x, label, delta=0.0, sample=100, per_class=8).question) > 0


def test_a_watched_oracle_answers_as_before_and_sees_what_was_answered():
    access = Access(level="label", classes=3, inputs=UNIT)
    oracle = watched(from_function(lambda x: (3 * x[:, 0]).astype(int).clip(0, 2), access), PRADA(delta=0.0))
    rng = np.random.default_rng(6)
    x = rng.random((250, 6))
    answers = np.concatenate([oracle(part).label for part in np.array_split(x, 9)])
    np.testing.assert_array_equal(answers, (3 * x[:, 0]).astype(int))
    assert oracle.watch.questions == oracle.ledger.queries == 250
    np.testing.assert_allclose(oracle.watch.statistic, [w for _, w in twin(x, answers, 0.0)], rtol=1e-12)
    with pytest.raises(InputError, match="shape"):
        oracle(x[:, :2])
    assert oracle.watch.questions == 250


@pytest.mark.parametrize(
    "wrong", [{"delta": 1.5}, {"delta": -0.1}, {"every": 0}, {"sample": 2}, {"per_class": 0}, {"outliers": 0.0}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))} is "):
        PRADA(**wrong)
