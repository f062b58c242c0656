"""A victim in the coordinates of its frame."""

import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import Counting, network
from scipy.special import log_softmax

from jaxattack.attacks.extraction.relu.frame import Victim, outputs
from jaxattack.attacks.extraction.relu.network import logits


@pytest.mark.parametrize("level", ["logit", "probability"])
def test_a_network_of_the_frame_is_brought_back(level):
    net = network((4, 3, 2, 3), 0)
    oracle = Counting(net, level=level, box=(2.0, 5.0))
    victim = Victim(oracle)
    x = np.random.default_rng(2).normal(size=(20, 4))
    y = victim.ask(x)
    raw = victim.frame.records(x)
    expected = logits(net, raw)
    if level == "probability":
        log = log_softmax(expected, axis=1)
        expected = log[:, 1:] - log[:, :1]
    np.testing.assert_allclose(y, expected, atol=1e-12)
    assert outputs(oracle.access) == y.shape[1]
    assert victim.queries == oracle.ledger.queries == 20

    inner = network((4, 3, 2, y.shape[1]), 3)
    np.testing.assert_allclose(logits(victim.frame.network(inner), raw)[:, -y.shape[1] :], logits(inner, x), atol=1e-12)


def test_records_fill_the_documented_box():
    victim = Victim(Counting(network((4, 3, 2, 1), 0), box=(2.0, 5.0)))
    x = victim.frame.uniform(1000, np.random.default_rng(2))
    raw = victim.frame.records(x)
    assert raw.min() >= 2
    assert raw.max() <= 5
    assert np.ptp(raw) > 2.9
