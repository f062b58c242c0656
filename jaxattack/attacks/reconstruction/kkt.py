"""Training records from the weights alone (Haim, Vardi, Yehudai, Shamir and Irani 2022).

A homogeneous network Phi of two classes, trained by gradient descent to a small loss, tends to a point where

    theta = sum_i lambda_i y_i grad_theta Phi(theta, x_i)        lambda_i >= 0, y_i = +-1

over training records on the margin (Lyu and Li 2020). The attack seeks the x_i and lambda_i that satisfy it:

    |theta - sum_i lambda_i y_i grad Phi(theta, x_i)|^2 / |theta|^2
        + sum_i max(least - lambda_i, 0)^2 + the mean square by which x leaves its range

from random starts, half of them of each class. In the gradient the step of each ReLU is smoothed to sigmoid(alpha z),
else nothing would tell the x_i on which side of a kink to lie.

Homogeneous means ReLUs, and no biases after the first layer. Weight decay holds a network near such a point from early
on, and so shows more (Buzaglo et al. 2023).

lambda is measured in |theta|^2 / (layers m margin), which is what it would be if all m candidates were on a margin of
that size; each run guesses the margin. A run is drawn from the hyper-parameters that the paper sweeps: margin, least
lambda, both learning rates, the scale of the start, alpha. All runs are one program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int, PRNGKeyArray

from jaxattack.training import check_seed
from jaxattack.types import InputError, Model, Variables, config


@jax.custom_jvp
def smoothed(z: jax.Array, alpha: jax.Array) -> jax.Array:
    """max(z, 0), whose derivative is taken as sigmoid(alpha z)."""
    del alpha
    return jax.nn.relu(z)


@smoothed.defjvp
def _smoothed_jvp(at, along):
    z, alpha = at
    return smoothed(z, alpha), along[0] * jax.nn.sigmoid(alpha * z)


def margin(
    params: Any, x: Float[jax.Array, "record *feature"], activation: Callable[[jax.Array], jax.Array]
) -> Float[jax.Array, "record"]:
    """Phi, above 0 for class 1.

    Args:
        params: of `homogeneous`.
        x: records.
        activation: `jax.nn.relu`, or smoothed.
    """
    x = x.reshape(len(x), -1)
    first, *later, last = params["kernels"]
    x = activation(x @ first + params["bias"])
    for kernel in later:
        x = activation(x @ kernel)
    return (x @ last)[:, 0]


@cache
def homogeneous(sizes: tuple[int, ...], scale: float = 1e-2) -> Model:
    """A network that the attack can read: ReLUs, a bias in the first layer alone, logits -Phi / 2 and Phi / 2.

    Args:
        sizes: features, then hidden units; at least one hidden layer.
        scale: of the first layer's start, relative to He's. Small starts lead to weights that show the records.

    Raises:
        InputError: no hidden layer, or sizes below 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(f"sizes is {sizes}: give the features and at least one hidden layer, as in (64, 200).")

    def init(key: jax.Array) -> Variables:
        keys = jax.random.split(key, len(sizes))
        pairs = pairwise((*sizes, 1))
        kernels = [jax.random.normal(one, pair) * (2 / pair[0]) ** 0.5 for one, pair in zip(keys, pairs, strict=True)]
        return Variables({"bias": jnp.zeros((1, sizes[1])), "kernels": [kernel * scale for kernel in kernels]}, {})

    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        phi = margin(variables.params, x, jax.nn.relu)
        return jnp.stack([-phi / 2, phi / 2], axis=1)

    return Model(init, apply, lambda variables, x, _: (apply(variables, x), variables.rest))


class Run(NamedTuple):
    """What one run is drawn to be.

    Attributes:
        margin: that the unit of lambda supposes.
        least: the smallest lambda that is not punished, in that unit.
        rate: of Adam for records, relative to their range.
        multiplier_rate: of Adam for lambda.
        spread: of the random start, relative to half the range.
        alpha: how steep the smoothed steps are.
    """

    margin: Any
    least: Any
    rate: Any
    multiplier_rate: Any
    spread: Any
    alpha: Any


RANGES = Run(
    margin=(2.0, 30.0),
    least=(0.01, 0.5),
    rate=(1e-3, 3e-2),
    multiplier_rate=(1e-3, 1e-1),
    spread=(3e-2, 1.0),
    alpha=(10.0, 200.0),
)
"""What runs are drawn from, evenly in the logarithm."""


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What the runs found.

    Attributes:
        x: where each candidate of each run ended, in the range that was given.
        multiplier: lambda of each, 0 or less for one that was not needed.
        label: of the candidates, 0 or 1.
        residual: |theta - sum|^2 / |theta|^2 of each run: 0 is exact; NaN where it diverged.
        runs: the hyper-parameters of each, an entry of every field a run.
    """

    x: Float[np.ndarray, "run candidate *feature"]
    multiplier: Float[np.ndarray, "run candidate"]
    label: Int[np.ndarray, "candidate"]
    residual: Float[np.ndarray, "run"]
    runs: Run

    @property
    def diverged(self) -> int:
        """How many runs ended without a finite residual."""
        return int(np.isnan(self.residual).sum())

    def best(self, runs: int = 1) -> Float[np.ndarray, "candidate *feature"]:
        """The candidates of the runs with the smallest residuals.

        Args:
            runs: how many; at most those that did not diverge.

        Raises:
            InputError: more than did not diverge, or none asked for.
        """
        sound = len(self.residual) - self.diverged
        if not 1 <= runs <= sound:
            raise InputError(f"runs is {runs} and {sound} of {len(self.residual)} ended well: give 1 to {sound}.")
        return np.concatenate(self.x[np.argsort(self.residual)[:runs]])


@config
class KKT:
    """How records are sought.

    Attributes:
        candidates: records sought at the same time, an even number: twice as many as were trained on, or more.
        runs: starts, each with hyper-parameters of its own.
        steps: of Adam in each run, whose rates fall to 0 along a cosine.
        at_once: runs side by side; by default all. It changes memory, not results beyond rounding.

    Raises:
        InputError: a value out of range.
    """

    candidates: int = 80
    runs: int = 16
    steps: int = 5000
    at_once: int | None = None

    def __post_init__(self) -> None:
        if self.candidates < 2 or self.candidates % 2:
            raise InputError(f"candidates is {self.candidates}: give an even number of 2 or more.")
        for name in ("runs", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: give 1 or more.")
        if self.at_once is not None and self.at_once < 1:
            raise InputError(f"at_once is {self.at_once}: give 1 or more runs.")

    def __call__(self, variables: Variables, *, low: float, high: float, seed: int = 0) -> Recovered:
        """Seek the training records of a network.

        Args:
            variables: of a `homogeneous` network.
            low: the smallest number in a record.
            high: the largest.
            seed: decides the hyper-parameters and the starts.

        Raises:
            InputError: other variables, weights that are not finite or all 0, or an empty range.
        """
        check_seed(seed)
        if not -np.inf < low < high < np.inf:
            raise InputError(f"the records range from {low} to {high}: give finite bounds, the lower one first.")
        params = jax.tree.map(jnp.asarray, _checked(variables))
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(jnp.arange(self.runs))
        batch = min(self.at_once or self.runs, self.runs)
        shape = (self.candidates, self.steps, batch)
        x, multiplier, residual, runs = _sweep(shape, params, keys, jnp.float32(low), jnp.float32(high))
        return Recovered(
            x=np.asarray(x),
            multiplier=np.asarray(multiplier),
            label=np.arange(self.candidates) % 2,
            residual=np.asarray(residual),
            runs=jax.tree.map(np.asarray, runs),
        )


def _checked(variables: Variables) -> dict[str, Any]:
    params = variables.params
    if not (isinstance(params, dict) and set(params) == {"bias", "kernels"}):
        raise InputError("the variables are not those of a homogeneous network: train one made by homogeneous().")
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
    if not all(np.isfinite(leaf).all() for leaf in leaves) or not any(leaf.any() for leaf in leaves):
        raise InputError("the weights are NaN, infinite or all 0: give a network whose training converged.")
    return params


def drawn(key: PRNGKeyArray) -> Run:
    """The hyper-parameters of one run."""
    keys = jax.random.split(key, len(RANGES))
    return Run(
        *(
            jnp.exp(jax.random.uniform(one, minval=log(low), maxval=log(high)))
            for one, (low, high) in zip(keys, RANGES, strict=True)
        )
    )


class Candidates(NamedTuple):
    """What a run changes: records as shares of half the range about its middle, and lambda in its unit."""

    x: Any
    multiplier: Any


def _square(tree: Any) -> jax.Array:
    return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)), jnp.float32(0))


def residual(
    params: Any,
    x: Float[jax.Array, "candidate feature"],
    multiplier: Float[jax.Array, "candidate"],
    sign: Float[jax.Array, "candidate"],
    alpha: Float[jax.Array, ""],
) -> Float[jax.Array, ""]:
    """|theta - sum_i lambda_i y_i grad Phi(x_i)|^2 / |theta|^2, with smoothed steps.

    Args:
        params: theta.
        x: x_i.
        multiplier: lambda_i.
        sign: y_i, -1 or 1.
        alpha: how steep the steps are.
    """
    # The gradient of the weighted sum is the weighted sum of gradients: no gradient of a single record is kept.
    combined = jax.grad(lambda theta: jnp.sum(multiplier * sign * margin(theta, x, lambda z: smoothed(z, alpha))))(
        params
    )
    return _square(jax.tree.map(jnp.subtract, params, combined)) / _square(params)


def _seek(candidates: int, steps: int, params: Any, key: jax.Array, low: jax.Array, high: jax.Array):
    """One run: its candidates with the smallest objective met, their residual, and what the run was."""
    run = drawn(jax.random.fold_in(key, 0))
    layers, middle, half = len(params["kernels"]), (low + high) / 2, (high - low) / 2
    unit = _square(params) / (layers * candidates * run.margin)
    sign = 2.0 * (jnp.arange(candidates) % 2) - 1
    features = params["kernels"][0].shape[0]
    start = jax.random.normal(jax.random.fold_in(key, 1), (candidates, features)) * run.spread
    fall = optax.cosine_decay_schedule(1.0, steps)
    change: Any = optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(fall))

    def objective(now):
        missed = residual(params, middle + half * now.x, unit * now.multiplier, sign, run.alpha)
        outside = jnp.mean(jnp.maximum(jnp.abs(now.x) - 1, 0) ** 2)
        return missed + jnp.sum(jnp.maximum(run.least - now.multiplier, 0) ** 2) + outside, missed

    def step(state, _):
        now, moments, best = state
        (value, missed), gradient = jax.value_and_grad(objective, has_aux=True)(now)
        better = value < best[0]
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), (value, missed, now), best)
        update, moments = change.update(gradient, moments)
        now = Candidates(now.x - run.rate * update.x, now.multiplier - run.multiplier_rate * update.multiplier)
        return (now, moments, best), None

    now = Candidates(start, jnp.ones(candidates))
    first = (now, change.init(now), (jnp.float32(jnp.inf), jnp.float32(jnp.nan), now))
    (_, _, (_, missed, found)), _ = jax.lax.scan(step, first, length=steps)
    return middle + half * found.x, unit * found.multiplier, missed, run


@partial(jax.jit, static_argnames="shape")
def _sweep(shape: tuple[int, int, int], params: Any, keys: jax.Array, low: jax.Array, high: jax.Array):
    candidates, steps, batch = shape
    return jax.lax.map(lambda key: _seek(candidates, steps, params, key, low, high), keys, batch_size=batch)
