"""Attacks on the updates of federated learning that search for records with the same update.

    DLG                  squared distance by L-BFGS, labels searched for as well     Zhu et al. 2019
    iDLG                 the same with the labels read off the last layer            Zhao et al. 2020
    InvertingGradients   cosine and total variation by signed Adam in the box        Geiping et al. 2020

Called with a `WhiteBox` and an `Update` of any number of users, all restarts of all users are searched at once
(`search`). The result has one target a record: targets user * records to (user + 1) * records - 1 are those of one user, in
an order of their own (`match_records`), and they share the scores of its restarts, which are less the objective.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from jaxattack.attacks.inversion.gradient.labels import recover_labels
from jaxattack.attacks.inversion.gradient.matching import DISTANCES, Distance
from jaxattack.attacks.inversion.gradient.search import Lanes, Plan, search
from jaxattack.attacks.inversion.gradient.update import Update, check_update
from jaxattack.attacks.inversion.objective import check_statistics
from jaxattack.types import Frame, InputError, Inversion, Progress, WhiteBox, above_zero, config, within_memory


@runtime_checkable
class GradientAttack(Protocol):
    """An inversion of updates: a frozen configuration that is called with a victim and what its users sent."""

    @property
    def name(self) -> str: ...

    def __call__(
        self, victim: WhiteBox, updates: Update, *, seed: int = 0, progress: Progress | None = None
    ) -> Inversion:
        """Make back the records behind each update.

        Args:
            victim: the model as the server sent it.
            updates: what users sent.
            seed: decides everything random.
            progress: called with what is being done, how much of it, and of how much.

        Raises:
            InputError: an update that is not of this victim, or a victim that cannot be differentiated twice.
        """
        ...


@config
class DLG:
    """Deep leakage from gradients: the squared distance by L-BFGS.

    Attributes:
        steps: of L-BFGS; the published number is 300.
        restarts: of each user.
        recover: read the labels off the last layer (iDLG), rather than search for them too.
        chunk: restarts at a time; 0 for as many as fit in a quarter of a gigabyte.
    """

    steps: int = 300
    restarts: int = 8
    recover: bool = False
    chunk: int = 0

    def __post_init__(self) -> None:
        _check(self.steps, self.restarts, self.chunk)

    @property
    def name(self) -> str:
        """``dlg`` or ``idlg``."""
        return "idlg" if self.recover else "dlg"

    @property
    def paper(self) -> str:
        """That which published this form."""
        return "Zhao et al. 2020" if self.recover else "Zhu et al. 2019"

    def __call__(
        self, victim: WhiteBox, updates: Update, *, seed: int = 0, progress: Progress | None = None
    ) -> Inversion:
        """See `GradientAttack`.

        Raises:
            InputError: moreover, users that train by Adam, whose derivative is an estimate that no line search can follow.
        """
        local = updates.terms.local
        if local and not local.optimizer.linear:
            raise InputError(f"the users' optimizer is {type(local.optimizer).__name__}: use inverting-gradients.")
        soft = not self.recover and updates.label is None
        plan = Plan("squared", 0.0, 0.0, "l-bfgs", 0.0, self.steps, soft)
        return _invert(self.name, plan, self.restarts, self.chunk, victim, updates, seed, progress)


@config
class InvertingGradients:
    """The direction of the update by signed Adam in the box, its rate a tenth after 3/8, 5/8 and 7/8 of the steps.

    Attributes:
        steps: the published attack takes up to 24,000.
        learning_rate: at the start, in coordinates in which a feature runs from -2 to 2.
        tv: weight of the total variation, which tables do not have, of pictures that run from -2 to 2. One of pictures
            from 0 to 1 is four times it. The default is no paper's: the authors' code takes 1e-4, and breaching's 0.2.
            Nor is it the best everywhere: of an untrained LeNet's gradients eight pictures of CIFAR-10 come back at
            29.1 ± .6 dB with it, and at 33.0 ± .7 with 2.5e-7 (400 steps, `benchmarks/gradient_inversion.py`).
        statistics: weight of the distance between batch statistics, where users sent theirs along.
        distance: between updates, ``cosine`` or ``squared``.
        signed: whether Adam sees the signs of the derivative alone.
        restarts: of each user.
        chunk: restarts at a time; 0 for as many as fit in a quarter of a gigabyte.
    """

    steps: int = 2400
    learning_rate: float = 0.1
    tv: float = 1e-6
    statistics: float = 0.0
    distance: Distance = "cosine"
    signed: bool = True
    restarts: int = 8
    chunk: int = 0

    name = "inverting-gradients"
    paper = "Geiping et al. 2020"

    def __post_init__(self) -> None:
        _check(self.steps, self.restarts, self.chunk)
        above_zero(learning_rate=self.learning_rate)
        if not (0 <= self.tv < np.inf and 0 <= self.statistics < np.inf):
            raise InputError(f"tv is {self.tv} and statistics is {self.statistics}: give finite weights of at least 0.")
        if self.distance not in DISTANCES:
            raise InputError(f"distance is {self.distance!r}: give one of {', '.join(DISTANCES)}.")

    def __call__(
        self, victim: WhiteBox, updates: Update, *, seed: int = 0, progress: Progress | None = None
    ) -> Inversion:
        """See `GradientAttack`.

        Raises:
            InputError: moreover, batch statistics that were sent along and give no gradient.
        """
        if self.statistics and updates.rest is not None:
            check_statistics(victim)
        optimizer = "signed-adam" if self.signed else "adam"
        plan = Plan(self.distance, self.tv, self.statistics, optimizer, self.learning_rate, self.steps, False)
        return _invert(self.name, plan, self.restarts, self.chunk, victim, updates, seed, progress)


def _check(steps: int, restarts: int, chunk: int) -> None:
    if steps < 1 or restarts < 1:
        raise InputError(f"steps is {steps} and restarts is {restarts}: give at least 1 of each.")
    if chunk < 0:
        raise InputError(f"chunk is {chunk}: give 0 to have it chosen, or at least 1.")


def _invert(
    name: str,
    plan: Plan,
    restarts: int,
    chunk: int,
    victim: WhiteBox,
    update: Update,
    seed: int,
    progress: Progress | None,
) -> Inversion:
    check_update(victim, update)
    numbers = update.users * restarts * update.terms.records * victim.inputs.low.size
    within_memory(numbers, restarts=restarts)
    unlabelled = np.zeros((update.users, update.terms.records), int)
    label = unlabelled if plan.soft else recover_labels(victim, update, seed=seed)
    lanes = search(victim, update, label, plan, restarts=restarts, chunk=chunk, seed=seed, progress=progress)
    return _inversion(name, plan, lanes, update, restarts)


def _inversion(name: str, plan: Plan, lanes: Lanes, update: Update, restarts: int) -> Inversion:
    users, records = update.users, update.terms.records
    value = lanes.value.reshape(users, restarts)
    user, best = np.arange(users), value.argmin(axis=1)

    def targets(x: np.ndarray) -> np.ndarray:
        """["user record *"] as ["target *"]."""
        return x.reshape(users * records, *x.shape[2:])

    x = lanes.x.reshape(users, restarts, *lanes.x.shape[1:])
    frames = lanes.frames.reshape(users, restarts, *lanes.frames.shape[1:])
    then = lanes.frame_value.reshape(users, restarts, -1).argmin(axis=1)
    divergent = np.isinf(value).all(axis=1)
    return Inversion(
        attack=name,
        target=targets(lanes.label.reshape(users, restarts, records)[user, best]),
        x=targets(x[user, best]),
        restarts=targets(x.swapaxes(1, 2)),
        score=np.repeat(np.where(np.isfinite(value), -value, np.nan), records, axis=0),
        steps=np.full((users * records, restarts), plan.steps),
        gradients=int(lanes.evaluations.sum()) * update.terms.batches.size,
        frames=tuple(
            Frame((number + 1) * plan.steps // then.shape[1], targets(frames[user, then[:, number], number]))
            for number in range(then.shape[1])
        ),
        complete=not divergent.any(),
        reason=f"every restart of {divergent.sum()} of {users} users diverged: give more restarts."
        if divergent.any()
        else "",
        notes={"objective": float(np.mean(value[user, best])), "diverged": int(np.isinf(value).sum())},
    )


def match_records(
    reconstructions: Float[np.ndarray, "record *feature"], truth: Float[np.ndarray, "record *feature"]
) -> Int[np.ndarray, "record"]:
    """Which reconstruction is of which record: the assignment with the least squared distance in all (Hungarian).

    Args:
        reconstructions: the reconstructions of one user.
        truth: its records.

    Returns:
        For each true record the number of its reconstruction.
    """
    a, b = truth.reshape(len(truth), -1), reconstructions.reshape(len(reconstructions), -1)
    apart = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return linear_sum_assignment(apart)[1]
