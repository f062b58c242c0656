"""Lower bounds on epsilon: golden rows, twins that count naively, and experiments whose truth is known, none refuted too often."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2, nct, norm

from jaxattack.metrics import epsilon as bounds
from jaxattack.metrics.epsilon.normal_scores import shift_at, t_tail
from jaxattack.metrics.epsilon.one_run_bounds import one_run_epsilon
from jaxattack.types import InputError

DELTA = 1e-5
ONE_RUN = (bounds.one_run, bounds.one_run_fdp, bounds.one_run_gdp)
TRUTH = {0.5: 1.99, 1.0: 4.38, 2.0: 10.0, 3.0: 16.68}


def game(mu: float, canaries: int, seed: int):
    """Fair coins, and scores of the Gaussian mechanism."""
    rng = np.random.default_rng(seed)
    coin = rng.random(canaries) < 0.5
    return mu * coin + rng.normal(size=canaries), coin


def response(epsilon: float, canaries: int, seed: int, pairs: bool = False):
    """Randomised response: the coin is told with probability e^eps / (1 + e^eps)."""
    rng = np.random.default_rng(seed)
    coin = rng.random(canaries) < 0.5
    if pairs:
        coin[1::2] = ~coin[::2]
    told = rng.random(canaries) < 1 / (1 + math.exp(-epsilon))
    return np.where(told, coin, ~coin).astype(float), coin


@pytest.mark.parametrize(("mu", "epsilon"), TRUTH.items())
def test_the_epsilon_of_a_gaussian_mechanism(mu, epsilon):
    assert bounds.gaussian_epsilon(mu, DELTA) == pytest.approx(epsilon, abs=0.01)
    assert bounds.gaussian_mu(bounds.gaussian_epsilon(mu, DELTA), DELTA) == pytest.approx(mu, rel=1e-9)


@given(mu=st.floats(0.05, 8), log_delta=st.floats(-9, -2))
def test_a_gaussian_mechanism_has_the_delta_of_its_epsilon(mu, log_delta):
    delta = 10**log_delta
    epsilon = bounds.gaussian_epsilon(mu, delta)
    spent = norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)
    assert spent == pytest.approx(delta, rel=1e-3) or (epsilon == 0 and spent <= delta)


@pytest.mark.parametrize(
    ("mu", "canaries", "epsilon"),
    [(0.5, 10_000, 0.83), (1.0, 1000, 1.51), (1.0, 10_000, 1.91), (2.0, 10_000, 3.51), (3.0, 10_000, 4.61)],
)
def test_one_run_of_two_sides_finds_the_golden_rows(mu, canaries, epsilon):
    median = np.median([bounds.one_run(*game(mu, canaries, seed), delta=DELTA).epsilon for seed in range(9)])
    assert median == pytest.approx(epsilon, abs=0.1)


def test_the_tighter_bounds_are_tighter_and_none_is_above_the_truth():
    scores, coin = game(1.0, 10_000, 0)
    one, fdp, gdp = (bound(scores, coin, delta=DELTA).epsilon for bound in ONE_RUN)
    exact = bounds.gaussian(scores, coin, delta=DELTA).epsilon
    assert 0 < one < fdp < gdp < exact < TRUTH[1.0]
    assert exact > 0.9 * TRUTH[1.0]


def test_one_run_against_the_theorem_written_out():
    """A grid of epsilons, each with the p-value of theorem 5.2 by its sums."""
    canaries, guesses, right, delta, alpha = 60, 40, 36, 1e-3, 0.05
    largest = 0.0
    for epsilon in np.linspace(1, 3, 401):
        share = math.exp(epsilon) / (1 + math.exp(epsilon))
        mass = [binom.pmf(wins, guesses, share) for wins in range(guesses + 1)]
        between = [sum(mass[right - i : right]) / i for i in range(1, right + 1)]
        if sum(mass[right:]) + 2 * canaries * delta * max(between) < alpha:
            largest = epsilon
    assert one_run_epsilon(canaries, guesses, right, delta, alpha) == pytest.approx(largest, abs=0.006)


def test_many_runs_counts_each_rate_at_half_of_alpha_on_runs_that_chose_nothing():
    rng = np.random.default_rng(0)
    member = rng.random((4000, 3)) < 0.5
    scores = rng.normal(size=member.shape)
    scores[:, 1] += 2 * member[:, 1]
    bound = bounds.many_runs(scores, member, delta=DELTA)
    assert bound.trials == 2000
    assert 2 < bound.epsilon < TRUTH[2.0]
    assert bounds.many_runs_gdp(scores, member, delta=DELTA).epsilon > bound.epsilon
    assert bounds.many_runs(scores[:, [0]], member[:, [0]], delta=DELTA).epsilon < 0.3


@pytest.mark.parametrize("bound", ONE_RUN)
@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_randomised_response_is_refuted_no_oftener_than_stated(bound, epsilon):
    """Its epsilon as differential privacy; as Gaussian differential privacy that of its mu = 2 Phi^-1(e^eps / (1 + e^eps))."""
    mu = 2 * norm.ppf(1 / (1 + math.exp(-epsilon)))
    truth = epsilon if bound is bounds.one_run else bounds.gaussian_epsilon(mu, DELTA)
    repeats = 200
    above = sum(bound(*response(epsilon, 200, seed), delta=DELTA).epsilon > truth + 1e-6 for seed in range(repeats))
    assert above <= repeats * 0.05 + 3 * math.sqrt(repeats * 0.05 * 0.95)


def test_coins_tied_in_pairs_read_twice_the_truth():
    """Why `Halves` and its like are refused: of two opposite coins each answer speaks for both."""
    above = []
    for seed in range(5):
        answers, coin = response(1.0, 2000, seed, pairs=True)
        partner = answers.reshape(-1, 2)[:, ::-1].ravel()
        above.append(bounds.one_run(answers - partner, coin, delta=1e-6).epsilon)
    free = [bounds.one_run(*response(1.0, 2000, seed), delta=1e-6).epsilon for seed in range(5)]
    assert np.median(free) == pytest.approx(0.9, abs=0.1)
    assert min(above) > 1.5


def shared_loss(mu: float, canaries: int, seed: int):
    """One loss of the Gaussian pair for all canaries, each answered by randomised response at it: each is mu-GDP, not all."""
    rng = np.random.default_rng(seed)
    coin = rng.random(canaries) < 0.5
    loss = abs(mu * (mu / 2 + rng.normal()))
    told = rng.random(canaries) < 1 / (1 + math.exp(-loss))
    return np.where(told, coin, ~coin).astype(float), coin


def test_a_loss_that_canaries_share_is_no_leak_to_the_bounds_that_need_coins_alone():
    repeats, mu = 40, 1.0
    truth = bounds.gaussian_epsilon(mu, DELTA)
    above = {
        bound.__name__: sum(bound(*shared_loss(mu, 400, seed), delta=DELTA).epsilon > truth for seed in range(repeats))
        for bound in ONE_RUN
    }
    assert above["one_run"] <= 6
    assert above["one_run_fdp"] <= 6
    assert above["one_run_gdp"] > 6, "and this is why it says what it assumes"


@pytest.mark.parametrize(("mu", "canaries", "alpha"), [(30.0, 4, 0.2), (30.0, 6, 0.2), (30.0, 12, 0.2), (1.0, 6, 0.05)])
def test_few_normal_scores_far_apart_are_refuted_no_oftener_than_stated(mu, canaries, alpha):
    rng, coin, repeats = np.random.default_rng(0), np.arange(canaries) % 2 == 0, 400
    truth = bounds.gaussian_epsilon(mu, DELTA)
    above = sum(
        bounds.gaussian(mu * coin + rng.normal(size=canaries), coin, delta=DELTA, alpha=alpha).epsilon > truth
        for _ in range(repeats)
    )
    assert abs(above - repeats * alpha) <= 3 * math.sqrt(repeats * alpha * (1 - alpha)), "it is exact"


@pytest.mark.parametrize(("statistic", "freedom", "shift"), [(3.0, 5, 1.0), (2.0, 998, 0.5), (12.0, 60, 11.0)])
def test_the_tail_of_a_noncentral_t(statistic, freedom, shift):
    assert t_tail(statistic, freedom, shift) == pytest.approx(nct.sf(statistic, freedom, shift), abs=1e-9)
    far = shift_at(1e6, freedom, 0.05)  # so far out that the variance alone is uncertain
    assert far == pytest.approx(1e6 * math.sqrt(chi2.ppf(0.05, freedom) / freedom), rel=1e-5)


@pytest.mark.parametrize("alpha", [1e-9, 1e-22, 1e-100])
def test_however_small_the_chance_of_error_the_shift_is_exact(alpha):
    shift = shift_at(40.0, 10**6, alpha)  # of so many numbers t is normal about its statistic
    assert shift == pytest.approx(40 + norm.ppf(alpha) * math.sqrt(1 + 40**2 / 2e6), abs=0.01)


def test_the_unit_of_normal_scores_says_nothing():
    scores, coin = game(2.0, 40, 0)
    epsilon = bounds.gaussian(scores, coin, delta=DELTA).epsilon
    assert epsilon > 1
    for unit in (1e-200, 1e200):  # whose squares are 0 and infinite
        assert bounds.gaussian(unit * scores, coin, delta=DELTA).epsilon == pytest.approx(epsilon)


def test_scores_without_variance_are_no_normal_ones():
    coin = np.arange(40) < 20
    with pytest.raises(InputError, match="have the score 1 and all others 0"):
        bounds.gaussian(coin.astype(float), coin, delta=DELTA)
    assert bounds.gaussian(np.full(40, 0.1), coin, delta=DELTA).epsilon == 0
    certain = bounds.gaussian(coin + 1e-9 * np.random.default_rng(0).normal(size=40), coin, delta=DELTA)
    assert math.isfinite(certain.epsilon), "a bound that is no number is none"


def test_of_an_odd_number_of_canaries_all_are_guessed():
    """Each answers at random with probability 1/2, and is else sure: a wrong guess in four. Whoever leaves out the one in the middle
    of three leaves out the one that is not sure, and has no error in 23 of 32 cases, where two guesses have none in 9 of 16."""
    rng, repeats, none = np.random.default_rng(0), 2000, 0
    for _ in range(repeats):
        coin, sure = rng.random((2, 3)) < 0.5
        scores = np.where(sure, 2.0 * coin - 1, 0.1 * rng.normal(size=3))
        bound = bounds.one_run_gdp(scores, coin, delta=DELTA)
        assert bound.trials == 3
        none += bound.errors == 0
    assert none / repeats <= (3 / 4) ** 3 + 3 * math.sqrt(0.25 / repeats)


@pytest.mark.parametrize("bound", [*ONE_RUN, bounds.gaussian])
def test_a_run_without_privacy_loss_is_refuted_no_oftener_than_stated(bound):
    repeats = 300
    above = sum(bound(*game(0.0, 200, seed), delta=DELTA).epsilon > 0.01 for seed in range(repeats))
    assert above <= repeats * 0.05 + 3 * math.sqrt(repeats * 0.05 * 0.95)


def test_a_canary_that_is_never_in_where_thresholds_are_chosen_refutes_nothing():
    member = np.zeros((40, 2), bool)
    member[:, 1] = np.random.default_rng(0).random(40) < 0.5
    assert bounds.many_runs(np.ones(member.shape), member, delta=DELTA).epsilon == 0


def test_the_order_of_canaries_that_tie_tells_nothing():
    coin = np.arange(400) < 200
    assert bounds.one_run(np.zeros(400), coin, delta=DELTA).epsilon < 0.3
    assert bounds.many_runs(np.zeros((400, 1)), coin[:, None], delta=DELTA).epsilon == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delta": 0.0}, "delta is 0"),
        ({"alpha": 1.0}, "alpha is 1"),
        ({"scores": np.array([np.nan] * 40)}, "NaN"),
        ({"scores": np.zeros(5), "member": np.ones(5, bool)}, "at least 20"),
        ({"scores": np.zeros(39)}, "shape"),
        ({"scores": np.array(["high"] * 40)}, "scores have dtype <U4: give numbers"),
        ({"scores": [[0.0], [0.0, 1.0]]}, "scores is no array .*: give numbers in rows of equal lengths"),
        ({"member": np.where(np.arange(40) < 20, 1, -1)}, "member holds -1: give 1 for members and 0 for all others"),
        ({"member": np.where(np.arange(40) < 20, 1, np.nan)}, "member holds nan"),
        ({"member": np.array(["in", "out"] * 20)}, "member has dtype <U3: give 0 or 1"),
        ({"scores": np.zeros(0), "member": np.zeros(0, bool)}, "give some canaries"),
    ],
)
def test_what_cannot_be_bounded_is_refused(change, message):
    arguments = {"scores": np.zeros(40), "member": np.arange(40) < 20, "delta": DELTA} | change
    with pytest.raises(InputError, match=message):
        bounds.one_run(arguments.pop("scores"), arguments.pop("member"), **arguments)
