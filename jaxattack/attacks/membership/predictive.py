"""Predictive distributions of a signal: Gaussian or Student-t, in log space."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln, log_ndtr, ndtri_exp, stdtr

UNDERFLOW = 1e-290  # a tail below this is taken from its asymptote


class Predictive(NamedTuple):
    """A location-scale distribution for each target, record and query.

    Attributes:
        location: its centre.
        variance: the square of its scale.
        freedom: degrees of freedom of a Student-t; None for a Gaussian.
    """

    location: Float[np.ndarray, "target *twin record query"]
    variance: Float[np.ndarray, "#target *twin #record #query"]
    freedom: Float[np.ndarray, "#target *twin #record #query"] | None = None

    def for_each(self) -> Predictive:
        """The same with an axis for the targets that have it in common."""
        freedom = None if self.freedom is None else self.freedom[:, None]
        return Predictive(self.location[:, None], self.variance[:, None], freedom)


def log_density(x: Float[np.ndarray, "*shape"], predictive: Predictive) -> Float[np.ndarray, "*shape"]:
    """The logarithm of the density at x."""
    location, variance, freedom = predictive
    square = x - location
    square *= square
    square /= variance
    if freedom is None:
        square += np.log(2 * np.pi * variance)
        square *= -0.5
        return square
    constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - 0.5 * np.log(np.pi * freedom * variance)
    return constant - (freedom + 1) / 2 * np.log1p(square / freedom)


def log_cdf(x: Float[np.ndarray, "*shape"], predictive: Predictive) -> Float[np.ndarray, "*shape"]:
    """The logarithm of the chance of a value below x; finite however far x lies in the tail."""
    location, variance, freedom = predictive
    z = (x - location) / np.sqrt(variance)
    if freedom is None:
        return log_ndtr(z)
    chance = stdtr(freedom, z)
    small = chance < UNDERFLOW
    out = np.log(np.where(small, 1.0, chance))
    if small.any():
        # Far out, the chance is the density times (freedom + z^2) / (freedom |z|), to a relative 1 / z^2.
        nu, far = np.broadcast_to(freedom, z.shape)[small], z[small]
        tail = log_density(far, Predictive(np.zeros(far.shape), np.ones(far.shape), nu))
        out[small] = tail + np.log((nu + far**2) / (nu * -far))
    return out


def log_sf(x: Float[np.ndarray, "*shape"], predictive: Predictive) -> Float[np.ndarray, "*shape"]:
    """The logarithm of the chance of a value above x; the distributions are symmetric."""
    return log_cdf(2 * predictive.location - x, predictive)


def z_score(x: Float[np.ndarray, "*shape"], predictive: Predictive) -> Float[np.ndarray, "*shape"]:
    """The standard normal quantile of the chance of a value below x, accurate in both tails."""
    location, variance, freedom = predictive
    if freedom is None:
        return (x - location) / np.sqrt(variance)
    below = -np.abs(x - location)
    return np.copysign(ndtri_exp(log_cdf(below, Predictive(np.zeros_like(below), variance, freedom))), x - location)
