"""A victim in standard coordinates."""

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import Counting, network
from scipy.special import log_softmax

from jaxattack.attacks.extraction.relu.network import logits
from jaxattack.attacks.extraction.relu.standard import Victim, outputs


@pytest.mark.parametrize("level", ["logit", "probability"])
def test_a_network_of_standard_coordinates_is_brought_back(level):
    net = network((4, 3, 2, 3), 0)
    oracle = Counting(net, level=level, box=(2.0, 5.0))
    victim = Victim(oracle, np.random.default_rng(1))
    x = np.random.default_rng(2).normal(size=(20, 4))
    y = victim.ask(x)
    raw = 3.5 + 1.5 * x
    expected = logits(net, raw)
    if level == "probability":
        log = log_softmax(expected, axis=1)
        expected = log[:, 1:] - log[:, :1]
    np.testing.assert_allclose(y, expected, atol=1e-12)
    assert outputs(oracle.access) == y.shape[1]
    np.testing.assert_array_equal(victim.answers.x, x)
    assert victim.queries == oracle.ledger.queries == 20

    inner = network((4, 3, 2, y.shape[1]), 3)
    np.testing.assert_allclose(logits(victim.raw(inner), raw)[:, -y.shape[1] :], logits(inner, x), atol=1e-12)


def test_records_fill_the_documented_box():
    victim = Victim(Counting(network((4, 3, 2, 1), 0), box=(2.0, 5.0)), np.random.default_rng(1))
    x = victim.records(1000, np.random.default_rng(2))
    assert np.abs(x).max() <= 1
    assert np.abs(x).max() > 0.9
