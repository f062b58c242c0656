"""A property of a training set read off the answers of the model alone (Suri and Evans 2022, black-box tests, on more shares).

The attacker trains shadow models on sets of which different shares have the property, and compares what they and the victim
answer to records of its own, half of them with the property:

    kl      the share whose shadows answer most like the victim: the least mean of KL(victim || shadow) over records and shadows
    loss    a line of the share on the difference of the mean losses on records with the property and without

The published tests tell one of two shares from the other; with two shares among the shadows the first is theirs. Of the victims'
networks nothing but these answers is read.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.reconstruction.knowledge import Knowledge, require
from jaxattack.attacks.reconstruction.property import HIGH, LOW, draw_members, size_of_sets
from jaxattack.training import train_ensemble
from jaxattack.training.images import as_input
from jaxattack.types import Dataset, Goal, Level, Model, Need, Progress, Reconstruction, Variables, at_least, config

LogProbability = Float[np.ndarray, "model record cls"]


@config
class PropertyAnswers:
    """The share of a training set that has a property, from answers alone.

    Attributes:
        test: kl or loss, as the module says.
        shadows: models that the attacker trains on sets drawn from its pool, as many of each share.
        shares: how many shares there are among them, evenly from .1 to .9.
        records: of the pool that are asked, half of them with the property.

    Raises:
        InputError: a value out of range.
    """

    test: Literal["kl", "loss"] = "kl"
    shadows: int = 180
    shares: int = 9
    records: int = 200

    paper = "Suri and Evans 2022"
    goal: ClassVar[Goal] = "property"
    needs: ClassVar[tuple[Need, ...]] = ("weights", "pool", "training", "share")
    levels: ClassVar[tuple[Level, ...]] = ()

    @property
    def name(self) -> str:
        """With the test: property-kl or property-loss."""
        return f"property-{self.test}"

    def __post_init__(self) -> None:
        at_least(2, shares=self.shares, records=self.records)
        at_least(2 * self.shares, shadows=self.shadows)

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Estimate the share behind each network.

        The score is by how much the least divergence is below the next (kl), or less the standard deviation of the shadows about
        the line (loss).

        Raises:
            InputError: something missing, or too few records with the property or without.
        """
        weights, pool, training, has = require(self, knowledge)
        shares = np.linspace(LOW, HIGH, self.shares)[np.arange(self.shadows) % self.shares]
        member = draw_members(has, shares, training.members or size_of_sets(has), seed=seed)
        if progress:
            progress("shadows", 0, self.shadows)
        ensemble, _ = train_ensemble(training.model, training.recipe, pool, member, seed=seed)
        if progress:
            progress("shadows", self.shadows, self.shadows)
        rows = balanced(has, self.records, seed)
        questions = pool.take(rows)
        shadows, victims = (answers(training.model, each, questions) for each in (ensemble.variables, weights))
        if self.test == "kl":
            value, score = nearest_share(victims, shadows, shares)
        else:
            value, score = share_by_loss(victims, shadows, shares, questions.y, has[rows])
        return Reconstruction(
            attack=self.name,
            goal=self.goal,
            value=value,
            score=score,
            models=self.shadows,
            steps=self.shadows * training.recipe.steps(int(member[0].sum())),
        )


def balanced(has: Bool[np.ndarray, "record"], records: int, seed: int) -> Int[np.ndarray, "chosen"]:
    """Records of which half have something, or as many as there are."""
    rng = np.random.default_rng([seed, 1])
    groups = np.flatnonzero(has), np.flatnonzero(~has)
    half = min(records // 2, *map(len, groups))
    return np.concatenate([rng.choice(group, half, replace=False) for group in groups])


def answers(model: Model, variables: Variables, questions: Dataset) -> LogProbability:
    """ln p of every class, of networks whose leaves lead with the axis ``model``."""
    return np.asarray(_answers(model, variables, jnp.asarray(questions.x)), np.float64)


@partial(jax.jit, static_argnums=0)
def _answers(model: Model, variables: Variables, x: jax.Array) -> jax.Array:
    inputs = as_input(x)
    return jax.lax.map(lambda one: jax.nn.log_softmax(model.apply(one, inputs)), variables)


def nearest_share(
    victims: LogProbability, shadows: Float[np.ndarray, "shadow record cls"], shares: Float[np.ndarray, "shadow"]
) -> tuple[Float[np.ndarray, "model"], Float[np.ndarray, "model"]]:
    """The share whose shadows answer most alike, and by how much the next is further.

    Args:
        victims: what they answer.
        shadows: what the shadow models answer.
        shares: behind each shadow.
    """
    entropy = (np.exp(victims) * victims).sum(axis=2).mean(axis=1)
    cross = np.einsum("vrc,src->vs", np.exp(victims), shadows, optimize=True) / victims.shape[1]
    values, group = np.unique(shares, return_inverse=True)
    divergence = np.stack(
        [(entropy[:, None] - cross)[:, group == one].mean(axis=1) for one in range(len(values))], axis=1
    )
    order = np.sort(divergence, axis=1)
    return values[divergence.argmin(axis=1)], order[:, 1] - order[:, 0]


def share_by_loss(
    victims: LogProbability,
    shadows: Float[np.ndarray, "shadow record cls"],
    shares: Float[np.ndarray, "shadow"],
    y: Int[np.ndarray, "record"],
    has: Bool[np.ndarray, "record"],
) -> tuple[Float[np.ndarray, "model"], Float[np.ndarray, "model"]]:
    """The share on the line through the shadows' differences of losses, 0 to 1, and less their deviation from it.

    Args:
        victims: what they answer.
        shadows: what the shadow models answer.
        shares: behind each shadow.
        y: labels of the records.
        has: which records have the property.
    """

    def difference(logp: np.ndarray) -> np.ndarray:
        loss = -logp[:, np.arange(len(y)), y]
        return loss[:, has].mean(axis=1) - loss[:, ~has].mean(axis=1)

    line = np.polynomial.Polynomial.fit(difference(shadows), shares, 1)
    deviation = (line(difference(shadows)) - shares).std()
    value = line(difference(victims)).clip(0, 1)
    return value, np.full(len(value), -deviation)
