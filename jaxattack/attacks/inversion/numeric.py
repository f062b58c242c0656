"""MI-FACE through a prediction API: the gradient from differences of confidences (Fredrikson et al. 2015, section 5).

    dc/du_i = (c(u + e_i h) - c(u - e_i h)) / 2 h

costs 2 d queries for one gradient of a record of d features: 20,608 for a face of 112 x 92. Every step asks for the
gradients of all targets that still move in one call. c = 1 - p_target, or less its logarithm; of an API that rounds its
confidences h must be wide enough for the difference to show, and where it does not the gradient is 0 and the point stops.

Where every difference costs two queries it pays to choose: ``directions`` random orthogonal ones a step, instead of all d
axes, estimate the gradient's projection on them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.special import softmax

from jaxattack.attacks.inversion.target import best_restart, check_targets, require, unit_box
from jaxattack.types import (
    NUMBERS,
    Answer,
    BudgetSpent,
    Frame,
    InputError,
    Inversion,
    Oracle,
    Progress,
    above_zero,
    at_least,
    config,
    within_memory,
)

_FRAMES = (1, 3, 10, 30, 100, 300, 1000)

_Ask = Callable[[Float[np.ndarray, "query feature"], Int[np.ndarray, "query"]], Float[np.ndarray, "query"]]
"""The victim's confidence in a target, at a point of the unit box."""


@config
class Numeric:
    """Descend on the record itself, with gradients from differences of confidences.

    Attributes:
        steps: at most.
        patience: steps without improvement after which a target stops.
        confidence: at which a target stops.
        learning_rate: in units of the box.
        objective: confidence or cross-entropy.
        width: h of the differences, in units of the box.
        directions: random orthogonal directions a step; 0 for every axis.

    Raises:
        InputError: a value out of range.
    """

    steps: int = 200
    patience: int = 20
    confidence: float = 0.99
    learning_rate: float = 0.1
    objective: Literal["confidence", "cross-entropy"] = "cross-entropy"
    width: float = 0.05
    directions: int = 0

    name = "numeric"
    paper = "Fredrikson et al. 2015"
    white_box = False
    levels = NUMBERS
    pool = False

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, patience=self.patience)
        if self.objective not in ("confidence", "cross-entropy"):
            raise InputError(f"objective is {self.objective!r}: choose confidence or cross-entropy.")
        above_zero(learning_rate=self.learning_rate, width=self.width)
        if not 0 < self.confidence <= 1:
            raise InputError(f"confidence is {self.confidence}: give a share above 0, at most 1.")
        if self.directions < 0:
            raise InputError(f"directions is {self.directions}: give 0 for every axis, or how many.")

    def __call__(
        self,
        victim: Oracle,
        targets: Int[np.ndarray, "target"],
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
    ) -> Inversion:
        """Make a record of each class; see `jaxattack.types.InversionAttack`.

        Raises:
            InputError: a class that the victim does not have, an access level without numbers, or a budget that ends
                before the first step.
        """
        targets = check_targets(targets, victim.access.classes)
        require(self, victim, pool)
        within_memory(len(targets) * self.directions * victim.access.inputs.low.size, directions=self.directions)
        before, rng = victim.ledger, np.random.default_rng(seed)
        low, width = unit_box(victim.access.inputs)
        shape = victim.access.inputs.shape

        def ask(u: Float[np.ndarray, "query feature"], target: Int[np.ndarray, "query"]) -> Float[np.ndarray, "query"]:
            return _of(victim(low + u.reshape(-1, *shape) * width), target)

        search = _Search(self, len(targets), int(np.prod(shape)))
        frames, reason = self._descend(search, ask, targets, rng, progress)

        def records(u: np.ndarray) -> Float[np.ndarray, "target *feature"]:
            return (low + u.reshape(-1, *shape) * width).astype(np.float64)

        best = records(search.best)
        score = np.where(np.isfinite(search.score), search.score, np.nan)[:, None]
        restarts = best[:, None]
        row = np.arange(len(targets))
        return Inversion(
            attack=self.name,
            target=targets,
            x=restarts[row, best_restart(score)],
            restarts=restarts,
            score=score,
            steps=search.steps[:, None],
            cost=victim.ledger - before,
            frames=tuple(Frame(step, records(u)) for step, u in frames),
            complete=not reason,
            reason=reason,
        )

    def _descend(
        self,
        search: _Search,
        ask: _Ask,
        targets: Int[np.ndarray, "target"],
        rng: np.random.Generator,
        progress: Progress | None,
    ) -> tuple[list[tuple[int, Float[np.ndarray, "target feature"]]], str]:
        """The best points after some steps, and why the descent is not complete; an empty text where it is."""
        frames, step = [], 0
        try:
            for step in range(1, self.steps + 1):
                search.step(ask, targets, rng)
                if step in _FRAMES:
                    frames.append((step, search.best.copy()))
                if progress:
                    progress("steps", step if search.active.any() else self.steps, self.steps)
                if not search.active.any():
                    break
        except BudgetSpent as spent:
            if step == 1:
                need = len(targets) * (1 + 2 * search.axes)
                raise InputError(f"{spent} numeric needs at least {need:,} queries for its first step.") from spent
            each = 2 * search.axes
            moving = f"{search.active.sum()} of {len(targets)} targets were still moving"
            return frames, f"{spent} {moving}; each step takes {each:,} queries for each."
        if (still := search.still).any():
            return frames, (
                f"The confidence in {still.sum()} of {len(targets)} targets is the same at all neighbours of where they begin, "
                f"{self.width:g} of the range away: they never moved; give a larger width."
            )
        return frames, ""


class _Search:
    """Where each target's point is."""

    def __init__(self, attack: Numeric, targets: int, features: int) -> None:
        self._attack = attack
        self.axes = min(attack.directions or features, features)
        self.u = np.full((targets, features), 0.5)
        self.best = self.u.copy()
        self.score = np.full(targets, -np.inf)
        self.steps, self._at = np.zeros(targets, int), np.zeros(targets, int)
        self.active = np.ones(targets, bool)

    @property
    def still(self) -> Bool[np.ndarray, "target"]:
        """Which targets ended before they had moved, and not because the victim was sure of them."""
        return ~self.active & (self.steps == 1) & (self.score < self._attack.confidence)

    def step(self, ask: _Ask, targets: np.ndarray, rng: np.random.Generator) -> None:
        """One step of every target that moves, in one call."""
        attack, moving = self._attack, np.flatnonzero(self.active)
        u, axes = self.u[moving], self._axes(rng)
        # The point itself is asked together with its neighbours: its confidence decides whether they were needed.
        around = np.concatenate([np.zeros((1, u.shape[1])), attack.width * axes, -attack.width * axes])
        points = (u[:, None] + around).clip(0, 1)
        p = ask(points.reshape(-1, u.shape[1]), np.repeat(targets[moving], len(around))).reshape(len(moving), -1)
        self._keep(moving, p[:, 0])
        cost = 1 - p if attack.objective == "confidence" else -np.log(p.clip(1e-12))
        ahead, back = np.split(points[:, 1:], 2, axis=1)
        apart = np.linalg.norm(ahead - back, axis=2).clip(1e-12)
        slope = (cost[:, 1 : 1 + len(axes)] - cost[:, 1 + len(axes) :]) / apart
        gradient = slope @ axes * (u.shape[1] / len(axes))
        self.active[moving] &= (gradient != 0).any(axis=1)
        self.u[moving] = np.where(self.active[moving, None], (u - attack.learning_rate * gradient).clip(0, 1), u)

    def _axes(self, rng: np.random.Generator) -> Float[np.ndarray, "axis feature"]:
        features = self.u.shape[1]
        if self.axes == features:
            return np.eye(features)
        return np.linalg.qr(rng.normal(size=(features, self.axes)))[0].T

    def _keep(self, moving: np.ndarray, p: np.ndarray) -> None:
        self.steps[moving] += 1
        better = p > self.score[moving]
        winners = moving[better]
        self.best[winners], self.score[winners], self._at[winners] = self.u[winners], p[better], self.steps[winners]
        stalled = self.steps[moving] - self._at[moving] >= self._attack.patience
        self.active[moving[stalled | (p >= self._attack.confidence)]] = False


def _of(answer: Answer, target: Int[np.ndarray, "query"]) -> Float[np.ndarray, "query"]:
    """The target's confidence; 0 where it is not among those that are answered."""
    p = answer.probability
    if p is None:
        logit = np.asarray(answer.logit, float)
        p = softmax(np.where(np.isnan(logit), -np.inf, logit), axis=1)
    return np.nan_to_num(np.take_along_axis(np.asarray(p, float), target[:, None], axis=1)[:, 0])
