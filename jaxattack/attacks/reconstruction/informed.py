"""The informed adversary: all training records but one are known, and a network reads that one off the weights.

Balle, Cherubin and Hayes 2022. The adversary trains shadow models, each on the known records and one other of its own,
as the victim was trained and from the same start, and then a `Reconstructor` from their parameters to that other record.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import jax
import numpy as np
from jaxtyping import Float

from jaxattack.attacks.reconstruction.knowledge import Knowledge, require
from jaxattack.attacks.reconstruction.reconstructor import Reconstructor
from jaxattack.training import Placement, Recipe, train_ensemble
from jaxattack.types import (
    Dataset,
    Goal,
    InputError,
    Level,
    Model,
    Need,
    Progress,
    Reconstruction,
    Variables,
    at_least,
    config,
)


@cache
def fixed_start(model: Model, seed: int) -> Model:
    """The same model, that starts at the same weights whatever its key: what an adversary who knows the start trains.

    Args:
        model: the architecture.
        seed: of the start.
    """
    return Model(lambda _: model.init(jax.random.key(seed)), model.apply, model.forward)


def train_shadows(
    model: Model,
    recipe: Recipe,
    fixed: Dataset,
    others: Dataset,
    *,
    seed: int = 0,
    placement: Placement = Placement(),
) -> Variables:
    """A model for each other record, trained on the fixed records and that one.

    Args:
        model: the architecture, with a known start where that is to be known.
        recipe: how the victim was trained.
        fixed: the records that are known.
        others: the records that take the missing one's place.
        seed: decides what the recipe leaves to chance.
        placement: how the work is cut.

    Returns:
        Every leaf leads with the axis ``model``.

    Raises:
        InputError: records of different shapes or classes, or a training that diverged.
    """
    if (fixed.shape, fixed.classes, fixed.x.dtype) != (others.shape, others.classes, others.x.dtype):
        raise InputError(
            f"fixed has records {fixed.shape} of {fixed.classes} classes and others {others.shape} of {others.classes}: "
            "give records of one kind."
        )
    count = len(fixed)
    both = fixed.extend(others.x, others.y, kind="other")
    member = np.concatenate([np.ones((len(others), count), bool), np.eye(len(others), dtype=bool)], axis=1)
    ensemble, _ = train_ensemble(model, recipe, both, member, seed=seed, placement=placement)
    return ensemble.variables


def nearest_other(
    target: Float[np.ndarray, "target *feature"], other: Float[np.ndarray, "record *feature"]
) -> Float[np.ndarray, "target"]:
    """The mean square distance of each target to the nearest of the other records: what guessing a known one costs."""
    a, b = target.reshape(len(target), -1).astype(np.float64), other.reshape(len(other), -1).astype(np.float64)
    square = (a**2).sum(axis=1)[:, np.newaxis] + (b**2).sum(axis=1) - 2 * a @ b.T
    return square.min(axis=1).clip(min=0) / a.shape[1]


@config
class Informed(Reconstructor):
    """The missing record of a network, by a reconstructor that is learnt on shadow models.

    Attributes:
        shadows: models that the attacker trains, each with one record of its pool; fewer where the pool is smaller.

    Raises:
        InputError: fewer than ten shadow models, or a value out of range.
    """

    shadows: int = 1000

    name = "informed"
    paper = "Balle et al. 2022"
    goal: ClassVar[Goal] = "record"
    needs: ClassVar[tuple[Need, ...]] = ("weights", "known", "pool", "training")
    levels: ClassVar[tuple[Level, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(10, shadows=self.shadows)

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Read the missing record off each victim's weights.

        The score is less the victim's mean square component, as the shadow models' is 1: among models unlike those that it
        learnt from, the reconstructor guesses.

        Raises:
            InputError: something missing, victims with other known records than one another, a pool of fewer than ten
                records, or a training that diverged.
        """
        weights, rest, pool, training = require(self, knowledge)
        if len(rest) != 1:
            raise InputError("informed reads victims of one set of known records at a time: give one entry in known.")
        count = min(self.shadows, len(pool))
        others = pool.take(np.arange(count))
        fixed = Dataset(x=rest[0].x, y=rest[0].y, classes=pool.classes, name=pool.name)
        if progress:
            progress("shadows", 0, count)
        shadows = train_shadows(training.model, training.recipe, fixed, others, seed=seed)
        if progress:
            progress("shadows", count, count)
        reader = self.fit(shadows, others.x, seed=seed)
        passes = self.epochs * (count // min(self.batch, count))
        return Reconstruction(
            attack=self.name,
            goal=self.goal,
            value=reader(weights),
            score=-reader.distance(weights),
            models=count,
            steps=count * training.recipe.steps(len(fixed) + 1) + passes,
            notes={"mean square error on the shadow models": float(reader.loss[-1])},
        )
