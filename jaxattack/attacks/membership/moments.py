"""Moments of a signal over the reference models, and the predictive distributions made from them.

Four answers to "how widely does this record's signal vary over models", each without the target:

- record: the record's own sample variance, with n - 1;
- pooled: the within-record squares of all records over their degrees of freedom, one figure a query;
- bayes: a compromise whose weight the data decide (BaVarIA, Brannvall 2026, arXiv 2603.11799, the Student-t predictive): a
  normal-inverse-gamma prior sigma^2 ~ InvGamma(alpha, beta), mu | sigma^2 ~ N(m, sigma^2 / kappa) for each query,
  fitted to all records, updated with the record's references, the signal then being Student-t;
- bayes-normal: the same, and a Gaussian of the updated mean and the mean updated variance (BaVarIA-n).

The prior is fitted by moments, in closed form, which is this package's choice. With squares S_r on d_r = n_r - 1
degrees of freedom and mean x_r, v = sum S / sum d estimates E[sigma^2] and w = sum S^2 / sum d (d + 2) estimates
E[sigma^4]; then alpha = 2 + 1 / (w / v^2 - 1), beta = v (alpha - 1), m = mean x_r and
kappa = v / (var x_r - v mean 1/n_r).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.predictive import Predictive
from jaxattack.attacks.membership.references import References
from jaxattack.types import Side

VARIANCE_FLOOR = 1e-12  # a spread of 1e-6 is below what float32 resolves in signals of order ten
LARGEST_PRIOR = 1e4  # observations that a prior may weigh: records that do not differ at all would make it infinite


class Moments(NamedTuple):
    """Moments over a target's references on one side of membership, one query a column.

    Attributes:
        count: how many references.
        mean: their mean.
        squares: the sum of their squared deviations from it.
        centre: what was taken from each record before: the signal's own mean is `mean` + `centre`.
    """

    count: Int[np.ndarray, "target record 1"]
    mean: Float[np.ndarray, "target record query"]
    squares: Float[np.ndarray, "target record query"]
    centre: Float[np.ndarray, "record query"]


class Powers(NamedTuple):
    """A block of a signal, centred and ready to be added up over models.

    Attributes:
        first: the signal less `centre`.
        second: its square.
        centre: the signal's mean over all models, taken away so that squares do not cancel.
    """

    first: Float[np.ndarray, "model record query"]
    second: Float[np.ndarray, "model record query"]
    centre: Float[np.ndarray, "record query"]


def centred_powers(signal: Float[np.ndarray, "model record query"], references: References) -> Powers:
    """A block of a signal, in float64, centred, with its squares."""
    first = signal.astype(np.float64)
    centre = first.mean(axis=0)
    first -= centre
    first = references.prepare(first)
    return Powers(first, references.prepare(np.square(first)), centre)


def moments(
    powers: Powers, sides: Mapping[Side, Bool[np.ndarray, "model record"]], references: References
) -> dict[Side, Moments]:
    """Moments over each target's references on each side of membership, of which every record has one at least."""
    first, second = references.totals(powers.first, sides), references.totals(powers.second, sides)
    return {
        side: _of_sums(references.count(models)[:, :, None], first[side], second[side], powers.centre)
        for side, models in sides.items()
    }


def _of_sums(
    count: Int[np.ndarray, "target record 1"],
    total: Float[np.ndarray, "target record query"],
    squares: Float[np.ndarray, "target record query"],
    centre: Float[np.ndarray, "record query"],
) -> Moments:
    """Moments from sums, in the place of these."""
    mean = total / count
    squares -= np.multiply(total, mean, out=total)
    return Moments(count, mean, np.maximum(squares, 0.0, out=squares), centre)


def from_record(moments: Moments) -> Predictive:
    """A Gaussian with each record's own mean and variance, from at least two references each."""
    variance = moments.squares / (moments.count - 1)
    return Predictive(moments.mean, np.maximum(variance, VARIANCE_FLOOR, out=variance))


def from_pool(moments: Moments, variance: Float[np.ndarray, "target 1 query"]) -> Predictive:
    """A Gaussian with each record's own mean and the variance of the pool."""
    return Predictive(moments.mean, variance)


class PoolSums(NamedTuple):
    """Sums over records; sums of two blocks add up to those of both."""

    records: Float[np.ndarray, "target 1 query"]
    freedom: Float[np.ndarray, "target 1 query"]
    freedom_squares: Float[np.ndarray, "target 1 query"]  # d (d + 2)
    squares: Float[np.ndarray, "target 1 query"]
    squares_squares: Float[np.ndarray, "target 1 query"]
    mean: Float[np.ndarray, "target 1 query"]
    mean_squares: Float[np.ndarray, "target 1 query"]
    inverse_count: Float[np.ndarray, "target 1 query"]


def pool_sums(moments: Moments) -> PoolSums:
    """What a block of records adds to the pool."""
    freedom = moments.count - 1.0
    mean = moments.mean + moments.centre
    parts = (
        np.ones_like(freedom),
        freedom,
        freedom * (freedom + 2),
        moments.squares,
        moments.squares**2,
        mean,
        mean**2,
        1 / moments.count,
    )
    return PoolSums(*(np.broadcast_to(part, mean.shape).sum(axis=1, keepdims=True) for part in parts))


def pooled_variance(sums: PoolSums) -> Float[np.ndarray, "target 1 query"]:
    """The within-record variance of all records together."""
    return np.maximum(sums.squares / sums.freedom, VARIANCE_FLOOR)


class Prior(NamedTuple):
    """A normal-inverse-gamma prior of each target and query (the module's docstring names the parameters)."""

    alpha: Float[np.ndarray, "target 1 query"]
    beta: Float[np.ndarray, "target 1 query"]
    location: Float[np.ndarray, "target 1 query"]
    kappa: Float[np.ndarray, "target 1 query"]


def fit_prior(sums: PoolSums) -> Prior:
    """The prior whose moments are those of the pool."""
    variance = pooled_variance(sums)
    excess = sums.squares_squares / sums.freedom_squares / variance**2 - 1
    alpha = 2 + 1 / np.maximum(excess, 1 / LARGEST_PRIOR)
    location = sums.mean / sums.records
    spread = sums.mean_squares / sums.records - location**2
    between = spread - variance * sums.inverse_count / sums.records
    kappa = variance / np.maximum(between, variance / LARGEST_PRIOR)
    return Prior(alpha, variance * (alpha - 1), location, kappa)


class Posterior(NamedTuple):
    """A prior updated with each record's references; the location is less the record's centre."""

    alpha: Float[np.ndarray, "target record query"]
    beta: Float[np.ndarray, "target record query"]
    location: Float[np.ndarray, "target record query"]
    kappa: Float[np.ndarray, "target record query"]


def update(moments: Moments, prior: Prior) -> Posterior:
    """The prior after a record's references."""
    count = moments.count
    offset = moments.mean - (prior.location - moments.centre)
    kappa = prior.kappa + count
    alpha = prior.alpha + count / 2
    beta = prior.beta + moments.squares / 2 + prior.kappa * count * offset**2 / (2 * kappa)
    return Posterior(alpha, beta, moments.mean - offset * (prior.kappa / kappa), kappa)


def from_prior(moments: Moments, prior: Prior) -> Predictive:
    """The Student-t predictive of the prior updated with a record's references."""
    alpha, beta, location, kappa = update(moments, prior)
    return Predictive(location, beta * (kappa + 1) / (alpha * kappa), 2 * alpha)


def normal_from_prior(moments: Moments, prior: Prior) -> Predictive:
    """A Gaussian with the mean and the mean variance of the prior updated with a record's references."""
    alpha, beta, location, _ = update(moments, prior)
    return Predictive(location, beta / (alpha - 1))
