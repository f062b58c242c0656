"""Records of the training set with a wrong label.

    random       records and labels at random
    influence    those whose flip raises the loss on the attacker's own records most (Koh and Liang 2017's influence function on
                 the label; Biggio et al. 2011 and Xiao et al. 2012 search for the same flips on support vector machines)

The second looks at softmax regression, whatever the victim is: its loss is convex, so that a flip's influence is known
(`jaxattack.attacks.poisoning.influence`). A victim of another kind is reached as far as it errs alike.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from jaxattack.attacks.poisoning.influence import SoftmaxRegression, flip_gains
from jaxattack.attacks.poisoning.units import to_inputs
from jaxattack.types import Dataset, InputError, Poison, PoisonGoal, Progress, Surrogate, Target, at_least, config


def _flips(name: str, dataset: Dataset, records: np.ndarray, label: np.ndarray, notes: dict) -> Poison:
    return Poison(
        attack=name, x=dataset.x[records], y=label.astype(dataset.y.dtype), replaces=records, source=records, notes=notes
    )  # fmt: skip


def check_count(count: int, dataset: Dataset) -> None:
    """Refuse to poison no record, or more than there are.

    Raises:
        InputError: it says how many there are.
    """
    at_least(1, count=count)
    if count > len(dataset):
        raise InputError(f"count is {count} and {dataset.name} has {len(dataset)} records: give at most that many.")


@config
class RandomFlips:
    """Labels of random records, drawn evenly from the other classes."""

    name = "flip-random"
    paper = "Xiao et al. 2012"
    goal: ClassVar[PoisonGoal] = "availability"
    surrogates = 0

    def check(self, dataset: Dataset) -> None:
        """As `jaxattack.types.PoisonAttack`: it takes any."""

    def __call__(
        self,
        dataset: Dataset,
        count: int,
        *,
        own: Dataset,  # noqa: ARG002 (as every attack is called)
        seed: int = 0,
        surrogate: Surrogate | None = None,  # noqa: ARG002
        target: Target | None = None,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> Poison:
        """As `jaxattack.types.PoisonAttack`; more flips leave those of fewer as they are."""
        check_count(count, dataset)
        rng = np.random.default_rng(seed)
        order, shift = rng.permutation(len(dataset)), rng.integers(1, dataset.classes, len(dataset))
        records = order[:count]
        return _flips(self.name, dataset, records, (dataset.y[records] + shift[records]) % dataset.classes, {})


@config
class InfluenceFlips:
    """The flips that raise the loss of softmax regression most, a part of them at a time.

    Attributes:
        rounds: in how many parts; after each the regression is fitted again. As many as flips makes it greedy.
        decay: of the squared weights in the regression's mean loss, which makes it strictly convex.

    Raises:
        InputError: no rounds, or a decay that is not positive.
    """

    rounds: int = 5
    decay: float = 1e-3

    name = "flip-influence"
    paper = "Koh and Liang 2017, arXiv 1703.04730; Xiao et al. 2012"
    goal: ClassVar[PoisonGoal] = "availability"
    surrogates = 0

    def __post_init__(self) -> None:
        at_least(1, rounds=self.rounds)
        if not 0 < self.decay < np.inf:
            raise InputError(f"decay is {self.decay}: give a number above 0.")

    def check(self, dataset: Dataset) -> None:
        """As `jaxattack.types.PoisonAttack`: it takes any."""

    def __call__(
        self,
        dataset: Dataset,
        count: int,
        *,
        own: Dataset,
        seed: int = 0,  # noqa: ARG002 (nothing is random)
        surrogate: Surrogate | None = None,  # noqa: ARG002 (its surrogate is a regression of its own)
        target: Target | None = None,  # noqa: ARG002
        progress: Progress | None = None,
    ) -> Poison:
        """As `jaxattack.types.PoisonAttack`.

        The notes say the regression's loss on the attacker's records before and after.
        """
        check_count(count, dataset)
        x, label = to_inputs(dataset.x).reshape(len(dataset), -1), dataset.y.copy()
        own_x = to_inputs(own.x).reshape(len(own), -1)
        regression = SoftmaxRegression.fit(x, label, dataset.classes, self.decay)
        before = regression.loss(own_x, own.y)
        left = np.ones(len(dataset), bool)
        for part in np.array_split(np.arange(count), min(self.rounds, count)):
            gain = flip_gains(regression, x, label, own_x, own.y)
            gain[~left] = -np.inf
            best = gain.max(axis=1).argsort(kind="stable")[::-1][: len(part)]
            label[best], left[best] = gain[best].argmax(axis=1), False
            regression = SoftmaxRegression.fit(x, label, dataset.classes, self.decay, start=regression)
            if progress:
                progress("flips", int((~left).sum()), count)
        notes = {"regression's loss before": before, "regression's loss after": regression.loss(own_x, own.y)}
        records = np.flatnonzero(~left)
        return _flips(self.name, dataset, records, label[records], notes)
