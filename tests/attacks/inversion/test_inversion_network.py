"""The inversion network: what it is shown, a victim that hides nothing, and real digits."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.inversion.white_boxes import digits

from jaxattack.attacks.inversion import Network
from jaxattack.attacks.inversion.network import _confidences, _features
from jaxattack.oracle import budgeted, from_function, top_k
from jaxattack.types import Access, InputError, Inputs

RNG = np.random.default_rng(0)


def test_only_the_largest_confidences_are_seen():
    p = np.array([[0.7, 0.2, 0.06, 0.04]])
    two, four = _features(p, 2)[0], _features(p, 4)[0]
    assert two[2] == two[3] == two.min()
    assert len(set(four.tolist())) == 4
    np.testing.assert_allclose([two.sum(), four.sum()], 0, atol=1e-6)
    np.testing.assert_allclose((four[0] - four[1]) * -np.log(1e-6), np.log(3.5), rtol=1e-5)


def test_classes_below_the_top_share_what_is_left():
    victim = top_k(
        from_function(lambda x: np.tile([0.5, 0.3, 0.15, 0.05], (len(x), 1)),
                      Access(level="probability", classes=4, inputs=Inputs.box(0, 1, (2,)))), 2,
    )  # fmt: skip
    np.testing.assert_allclose(_confidences(victim(np.zeros((1, 2)))), [[0.5, 0.3, 0.1, 0.1]])


def test_a_victim_whose_confidences_are_its_records_is_inverted_exactly():
    """Records of three shares that sum to one, answered as they are: the network only has to undo a logarithm."""
    records = RNG.dirichlet([2, 2, 2], 400)
    inverter = Network(truncations=(3, 1), steps=800).learn(Inputs.box(0, 1, (3,)), records[:300], records[:300], 0)
    whole, one = inverter.records(records[300:])
    assert np.abs(whole - records[300:]).mean() < 0.03
    assert np.abs(one - records[300:]).mean() > 2 * np.abs(whole - records[300:]).mean()


def test_digits_are_made_from_the_answers_about_other_peoples():
    victim = digits()
    found = Network(steps=500)(victim.oracle, np.arange(10), pool=victim.pool)
    assert found.cost.queries == len(victim.pool) + 10 * 4
    assert (victim.twin(found.x).label == np.arange(10)).mean() >= 0.9


def test_a_budget_smaller_than_the_pool_is_used_and_said():
    victim = digits()
    found = Network(steps=50)(budgeted(victim.oracle, 100), np.arange(3), pool=victim.pool)
    assert not found.complete
    assert "learnt from 87" in found.reason  # and asked about three records by four truncations; one may be asked again
    assert found.cost.queries == 99
    assert (found.score > 0).all()
    with pytest.raises(InputError, match="at least 33"):
        Network()(budgeted(victim.oracle, 10), np.arange(3), pool=victim.pool)


def test_constant_confidences_are_refused():
    with pytest.raises(InputError, match="the same confidences"):
        Network().learn(Inputs.box(0, 1, (3,)), RNG.random((40, 3)), np.full((40, 3), 1 / 3), 0)


@pytest.mark.parametrize(("field", "value"), [("truncations", ()), ("truncations", (0,)), ("hidden", 0), ("steps", 0)])
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=f"{field} is"):
        Network(**{field: value})
