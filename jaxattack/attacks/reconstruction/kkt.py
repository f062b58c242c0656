"""Training records from the weights alone (Haim, Vardi, Yehudai, Shamir and Irani 2022).

A homogeneous network Phi of two classes (`jaxattack.models.homogeneous`), trained by gradient descent to a small loss, tends
to a point where

    theta = sum_i lambda_i y_i grad_theta Phi(theta, x_i)        lambda_i >= 0, y_i = +-1

over training records on the margin (Lyu and Li 2020). The attack seeks the x_i and lambda_i that satisfy it:

    |theta - sum_i lambda_i y_i grad Phi(theta, x_i)|^2 / |theta|^2
        + sum_i max(least - lambda_i, 0)^2 + the mean square by which x leaves its range

from random starts, half of them of each class. In the gradient the step of each ReLU is smoothed to sigmoid(alpha z),
else nothing would tell the x_i on which side of a kink to lie.

Weight decay holds a network near such a point from early on, and so shows more (Buzaglo et al. 2023).

lambda is measured in |theta|^2 / (layers m margin), which is what it would be if all m candidates were on a margin of
that size; each run guesses the margin. A run is drawn from the hyper-parameters that the paper sweeps: margin, least
lambda, both learning rates, the scale of the start, alpha. All runs are one program.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.reconstruction.knowledge import Knowledge, require
from jaxattack.attacks.reconstruction.stationarity import Run, sweep
from jaxattack.training import check_seed
from jaxattack.types import (
    Goal,
    InputError,
    Level,
    Need,
    Progress,
    Reconstruction,
    Variables,
    at_least,
    config,
)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Where the runs ended.

    Attributes:
        x: where each candidate of each run ended, in the units of the span.
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

    def best(self, runs: int = 1) -> Int[np.ndarray, "run"]:
        """The runs with the smallest residuals, the smallest first.

        Args:
            runs: how many; those that diverged are never among them.

        Raises:
            InputError: all diverged.
        """
        finite = len(self.residual) - self.diverged
        if not finite:
            raise InputError(
                f"all {len(self.residual)} runs diverged: give more runs, or a network whose training ended."
            )
        return np.argsort(self.residual)[: min(runs, finite)]


@config
class KKT:
    """Training records of a homogeneous network, from its weights alone.

    Attributes:
        candidates: records sought at the same time, an even number: twice as many as were trained on, or more.
        runs: starts, each with hyper-parameters of its own.
        steps: of Adam in each run, whose rates fall to 0 along a cosine.
        best: runs whose candidates are taken, those with the smallest residuals.
        at_once: runs side by side; by default all. It changes memory, not results beyond rounding.

    Raises:
        InputError: a value out of range.
    """

    candidates: int = 80
    runs: int = 16
    steps: int = 5000
    best: int = 4
    at_once: int | None = None

    name = "kkt"
    paper = "Haim et al. 2022"
    goal: ClassVar[Goal] = "records"
    needs: ClassVar[tuple[Need, ...]] = ("weights", "span")
    levels: ClassVar[tuple[Level, ...]] = ()

    def __post_init__(self) -> None:
        if self.candidates < 2 or self.candidates % 2:
            raise InputError(f"candidates is {self.candidates}: give an even number of 2 or more.")
        at_least(1, runs=self.runs, steps=self.steps, best=self.best, at_once=self.at_once)

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Seek the training records of one network; the score of a candidate is less its run's residual.

        Raises:
            InputError: something missing, several networks, or what `search` raises.
        """
        weights, span = require(self, knowledge)
        low, high = float(np.min(span.low)), float(np.max(span.high))
        if {len(leaf) for leaf in jax.tree.leaves(weights.params)} != {1}:
            raise InputError("kkt reads one network at a time: give weights whose axis target has length 1.")
        one = jax.tree.map(lambda leaf: leaf[0], weights)
        if progress:
            progress("runs", 0, self.runs)
        end = self.search(one, low=low, high=high, seed=seed)
        if progress:
            progress("runs", self.runs, self.runs)
        best = end.best(self.best)
        return Reconstruction(
            attack=self.name,
            goal=self.goal,
            value=np.concatenate(end.x[best]),
            score=np.repeat(-end.residual[best], self.candidates),
            label=np.tile(end.label, len(best)),
            steps=self.runs * self.steps,
            notes={
                "runs that diverged": end.diverged,
                "smallest residual": float(end.residual[best[0]]),
                "multipliers above 0": float((end.multiplier[best] > 0).mean()),
            },
        )

    def search(self, variables: Variables, *, low: float, high: float, seed: int = 0) -> Candidates:
        """Every run on one network.

        Args:
            variables: of a homogeneous network.
            low: the smallest number in a record.
            high: the largest.
            seed: decides the hyper-parameters and the starts.

        Raises:
            InputError: other variables, weights that are not finite or all 0, or an empty range.
        """
        check_seed(seed)
        if not -np.inf < low < high < np.inf:
            raise InputError(f"the records range from {low} to {high}: give finite bounds, the lower one first.")
        params = jax.tree.map(jnp.asarray, _check(variables))
        keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(jnp.arange(self.runs))
        batch = min(self.at_once or self.runs, self.runs)
        ends = sweep(self.candidates, self.steps, batch, params, keys, jnp.float32(low), jnp.float32(high))
        return Candidates(label=np.arange(self.candidates) % 2, **jax.tree.map(np.asarray, ends)._asdict())


def _check(variables: Variables) -> dict[str, Any]:
    params = variables.params
    if not (isinstance(params, dict) and set(params) == {"bias", "kernels"}):
        raise InputError("the variables are not those of a homogeneous network: train homogeneous:200.")
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
    if not all(np.isfinite(leaf).all() for leaf in leaves) or not any(leaf.any() for leaf in leaves):
        raise InputError("the weights are NaN, infinite or all 0: give a network whose training converged.")
    return params
