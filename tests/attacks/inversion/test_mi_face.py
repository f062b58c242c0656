"""MI-FACE: the first steps by hand, a case with a known answer, and real digits."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.inversion.white_boxes import digits, linear, logits

from jaxattack.attacks.inversion import MiFace
from jaxattack.types import InputError


def test_the_steps_are_those_of_the_algorithm():
    """One restart against the algorithm written out, in the unit box of a victim that takes 0 to 255."""
    weight = np.random.default_rng(0).normal(size=(6, 3)) / 100
    victim = linear(weight, 0, 255)
    found = MiFace(restarts=1, steps=30, patience=5, confidence=0.9, learning_rate=0.5)(victim, np.array([2]))
    u, best, least, at = np.zeros(6), None, np.inf, 0
    for step in range(30):
        z = 255 * u @ weight
        p = np.exp(z) / np.exp(z).sum()
        if 1 - p[2] < least:
            best, least, at = u, 1 - p[2], step
        if 1 - p[2] <= 0.1 or step - at >= 5:
            break
        gradient = -p[2] * (np.eye(3)[2] - p) @ (255 * weight).T
        u = np.clip(u - 0.5 * gradient, 0, 1)
    np.testing.assert_allclose(found.x[0], 255 * best, rtol=1e-4, atol=1e-3)
    assert found.steps[0, 0] == step + 1
    assert found.score[0, 0] == pytest.approx(1 - least, abs=1e-5)


def test_of_a_linear_victim_the_corner_that_its_weights_point_to_is_found():
    """Descending without end, each feature goes to the end of its range that speaks for the class."""
    weight = np.array([[2.0, -2.0], [-1.0, 1.0], [3.0, -3.0]])
    found = MiFace(confidence=1.0, patience=5000, objective="margin", steps=200)(
        linear(weight, -1, 1), np.array([0, 1])
    )
    np.testing.assert_array_equal(found.x, [[1, -1, 1], [-1, 1, -1]])


def test_every_digit_is_made_and_the_result_does_not_depend_on_the_chunk():
    victim = digits().inside
    assert victim is not None
    found = MiFace(restarts=3)(victim, np.arange(10))
    assert (found.score > 0.98).all()
    assert found.gradients == found.steps.sum()
    assert found.x.shape == (10, 8, 8, 1)
    assert (found.x >= 0).all()
    assert (found.x <= 255).all()
    assert (logits(victim, found.x).argmax(axis=1) == np.arange(10)).all()
    again = MiFace(restarts=3, chunk=4)(victim, np.arange(10)[::-1])
    np.testing.assert_allclose(again.restarts[::-1], found.restarts, atol=0.05)


def test_more_restarts_leave_the_first_ones_as_they_were():
    victim = digits().inside
    few, many = (MiFace(restarts=n, steps=20)(victim, np.array([3])) for n in (2, 5))
    np.testing.assert_allclose(many.restarts[:, :2], few.restarts, atol=1e-2)


def test_priors_make_a_picture_smoother_and_nearer_to_the_middle():
    victim = digits().inside
    plain, smooth, near = (
        MiFace(restarts=2, steps=150, confidence=1.0, objective="cross-entropy", **prior)(victim, np.array([0])).x
        for prior in ({}, {"total_variation": 3.0}, {"energy": 30.0})
    )
    rough = [np.abs(np.diff(x, axis=1)).sum() for x in (plain, smooth)]
    assert rough[1] < 0.5 * rough[0]
    assert np.abs(near - 127.5).mean() < 0.5 * np.abs(plain - 127.5).mean()


def test_a_victim_of_nothing_but_nan_is_refused():
    with pytest.raises(InputError, match="answers NaN"):
        MiFace(steps=3)(linear(np.full((3, 2), np.nan)), np.array([0]))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("restarts", 0, "restarts is 0"),
        ("confidence", 1.5, "confidence is 1.5"),
        ("learning_rate", 0.0, "learning_rate is 0.0"),
        ("objective", "likelihood", "objective is 'likelihood'"),
        ("process", "blur", "process is 'blur'"),
        ("optimizer", "none", "optimizer is 'none'"),
        ("total_variation", -1.0, "total_variation is -1.0"),
        ("chunk", 0, "chunk is 0"),
    ],
)
def test_a_value_out_of_range_is_named(field, value, words):
    with pytest.raises(InputError, match=words):
        MiFace(**{field: value})


def test_statistics_need_a_batch():
    with pytest.raises(InputError, match="restarts is 1 and statistics is on"):
        MiFace(restarts=1, statistics=1.0)


def test_pictures_are_needed_where_pixels_have_neighbours():
    with pytest.raises(InputError, match="process is 'median' and a record has shape"):
        MiFace(process="median")(linear(np.ones((3, 2))), np.array([0]))
    with pytest.raises(InputError, match="total_variation"):
        MiFace(total_variation=1.0)(linear(np.ones((3, 2))), np.array([0]))
