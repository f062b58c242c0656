"""Proof of work as a price: privacy costs beside a twin for one vote, prices in closed form, clients and thieves on real records."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.datasets import load_digits, load_sample_image

from jaxattack.oracle import NeighbourVotes, ProofOfWork, from_function, priced
from jaxattack.oracle.proof_of_work import LONGEST, ORDERS, Expected, calibrate_work, epsilon, log_change, rdp_of_votes
from jaxattack.types import Access, InputError, Inputs

WORK = ProofOfWork(
    sigma=28 / 6, delta=1 / 900, base=1.18
)  # the authors' noise for 300 voters, here 50; their base on MNIST


def twin(votes, sigma):
    """The Rényi divergences of one vote, as pate.py computes them, in plain numbers."""
    winner = max(range(len(votes)), key=lambda c: votes[c])
    q = sum(norm.sf(votes[winner] - votes[c], scale=math.sqrt(2) * sigma) for c in range(len(votes)) if c != winner)
    q = min(q, 1 - 1 / len(votes))
    rdp = ORDERS / sigma**2
    second = math.sqrt(sigma**2 * -math.log(q))
    first = second + 1
    eps1, eps2 = first / sigma**2, second / sigma**2
    if second <= 1 or -math.log(q) <= eps2:
        return rdp
    limit = math.exp((second - 1) * eps2) / (first / (first - 1) * second / (second - 1)) ** second
    if q > limit:
        return rdp
    for place in np.flatnonzero(first > ORDERS):
        power = ORDERS[place] - 1
        a = ((1 - q) / (1 - (q * math.exp(eps2)) ** (1 - 1 / second))) ** power
        b = (math.exp(eps1) / q ** (1 / (first - 1))) ** power
        rdp[place] = math.log((1 - q) * a + q * b) / power
    return rdp


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=10), st.sampled_from([1.0, 3.0, 8.0]))
def test_the_cost_of_a_vote_is_its_twins(votes, sigma):
    np.testing.assert_allclose(
        rdp_of_votes(np.array([votes], float), sigma)[0], twin(votes, sigma), rtol=1e-8, atol=1e-14
    )


def test_a_tie_costs_what_no_data_bound_and_agreement_next_to_nothing():
    tie, agreed = np.array([[25.0, 25]]), np.array([[50.0, 0]])
    assert log_change(tie, 3.0)[0] == math.log(0.5)
    np.testing.assert_array_equal(rdp_of_votes(tie, 3.0)[0], ORDERS / 9)
    assert rdp_of_votes(agreed, 3.0)[0, 0] < 1e-8
    assert np.isfinite(rdp_of_votes(np.array([[1e4, 0, 0]]), 1.0)).all()  # q underflows, log q does not


def test_a_client_as_expected_works_a_second_and_another_by_the_power_of_the_difference():
    work = ProofOfWork(base=1.0075)
    np.testing.assert_allclose(work.seconds(np.array([0.0, 100, -100])), [1, 1.0075**100, 1.0075**100])
    assert work.seconds(np.array([1e9]))[0] == pytest.approx(LONGEST)


@pytest.fixture(scope="module")
def digits():
    """Votes of 900 of the owner's digits; what others ask: the rest of the digits, and a photograph in pieces."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    votes = NeighbourVotes(x=x[order[:900]] / 16, y=y[order[:900]], classes=10, neighbours=50)
    grey = load_sample_image("flower.jpg").mean(axis=2)[:424:8, :640:8] / 255
    windows = np.lib.stride_tricks.sliding_window_view(grey, (8, 8))[::2, ::2].reshape(-1, 64)
    photograph = np.random.default_rng(1).permutation(windows)[:448]
    return votes, [x[part] / 16 for part in np.array_split(order[900:], 2)], photograph


def test_neighbours_vote_with_their_labels(digits):
    votes, clients, _ = digits
    distance = ((votes.x - clients[0][0]) ** 2).sum(axis=1)
    nearest = votes.y[np.argsort(distance, kind="stable")[:50]]
    np.testing.assert_array_equal(votes(clients[0][:1])[0], np.bincount(nearest, minlength=10))
    halved = replace(votes, embed=lambda x: x[:, :32])
    assert (halved(clients[0]) != votes(clients[0])).any()


def test_a_benign_client_waits_at_most_twice_as_long_and_a_knockoff_ten_times(digits):
    votes, (calibration, client), photograph = digits
    access = Access(level="label", classes=10, inputs=Inputs.box(0, 1, (64,)))
    expected = WORK.expected([votes(calibration)])
    asked = 448

    def works(x):
        oracle = priced(from_function(lambda x: np.zeros(len(x), int), access), WORK, votes=votes, expected=expected)
        for part in np.array_split(x[:asked], 7):
            oracle(part)
        assert oracle.ledger.queries == asked
        assert oracle.ledger.seconds >= sum(oracle.puzzles)
        np.testing.assert_allclose(oracle.puzzles, WORK.puzzles(votes(x[:asked]), expected))  # however it is called
        assert oracle.cost == pytest.approx(WORK.costs(votes(x[:asked]))[-1])
        return np.mean(oracle.puzzles)

    assert works(client) <= 2
    assert works(photograph) >= 10


def test_a_calibrated_base_lets_the_slowest_of_its_clients_wait_twice_as_long(digits):
    votes, clients, photograph = digits
    streams = [votes(x) for x in clients]
    work, expected = calibrate_work(WORK, streams)
    assert max(work.puzzles(votes, expected).mean() for votes in streams) == pytest.approx(2, rel=1e-3)
    assert work.puzzles(votes(photograph), expected).mean() > 100
    exact = Expected(*np.polynomial.Polynomial.fit(np.arange(300), WORK.costs(streams[0])[:300], 1).convert().coef)
    assert WORK.expected([streams[0][:299]]) == pytest.approx(exact)


def test_epsilon_is_the_best_order():
    assert epsilon(np.zeros((1, len(ORDERS))), 1e-5)[0] == pytest.approx(math.log(1e5) / 999)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sigma": 0.0},
        {"base": 0.9},
        {"batch": 0},
        {"delta": 1.0},
        {"shortest": 0.0},
        {"shortest": 5.0, "longest": 1.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))} is "):
        ProofOfWork(**wrong)


def test_clients_and_voters_are_needed(digits):
    with pytest.raises(InputError, match="no benign client"):
        calibrate_work(WORK, [])
    with pytest.raises(InputError, match="slowdown is 1"):
        calibrate_work(WORK, [digits[0](digits[2])], slowdown=1.0)
    with pytest.raises(InputError, match="neighbours is 1000"):
        replace(digits[0], neighbours=1000)
