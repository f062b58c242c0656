from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from jaxattack.metrics import decompose
from jaxattack.types import InputError


def answers(seed, models=5, records=7, classes=3):
    rng = np.random.default_rng(seed)
    p = softmax(rng.standard_normal((models, records, classes)) * 3, axis=2)
    return p, rng.random((models, records)) < 0.5, rng.integers(0, classes, records)


def record_by_record(p, member, label):
    """The parts of one record at a time, from the models that do not have it."""
    parts = []
    for record in range(len(label)):
        own = p[~member[:, record], record]
        if len(own) < 2:
            continue
        goal, mean = np.eye(p.shape[2])[label[record]], own.mean(axis=0)
        q = np.exp(np.log(own).mean(axis=0))
        q /= q.sum()
        spread = np.mean([((one - mean) ** 2).sum() for one in own])
        divergence = np.mean([(q * np.log(q / one)).sum() for one in own])
        parts.append((((mean - goal) ** 2).sum(), spread, -np.log(q[label[record]]), divergence))
    return np.mean(parts, axis=0)


@given(st.integers(0, 2**30))
def test_it_is_what_one_record_at_a_time_has(seed):
    p, member, label = answers(seed)
    if ((~member).sum(axis=0) >= 2).any():
        np.testing.assert_allclose(decompose(p, member, label), record_by_record(p, member, label), rtol=1e-9)


def test_the_parts_sum_to_the_mean_errors():
    p, member, label = answers(0)
    member[:] = False
    parts, goal = decompose(p, member, label), np.eye(3)[label]
    assert parts.bias + parts.variance == pytest.approx(((p - goal) ** 2).sum(axis=2).mean())
    own = np.take_along_axis(p, label[None, :, None], axis=2)
    assert parts.log_bias + parts.log_variance == pytest.approx(-np.log(own).mean())


def test_models_that_agree_have_no_variance_and_members_say_nothing_of_it():
    p, member, label = answers(1)
    member[:3], member[3:] = True, False
    p[4] = p[3]
    parts = decompose(p, member, label)
    assert parts.variance == pytest.approx(0, abs=1e-15)
    assert parts.log_variance == pytest.approx(0, abs=1e-15)
    p[:3] = 1 / 3
    assert decompose(p, member, label) == parts


def test_no_record_that_two_models_do_not_have_is_refused():
    p, member, label = answers(2)
    with pytest.raises(InputError, match="no record that two of them do not have"):
        decompose(p, np.ones_like(member), label)
