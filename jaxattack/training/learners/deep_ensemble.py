"""Deep ensembles (Lakshminarayanan, Pritzel and Blundell 2017, arXiv 1612.01474), which leak more than one of their networks.

Networks that differ in their first weights and in the order of their batches learn the same members, and the mean of their
confidences is answered. With a member's shift d, noise s_r of the record and s_e of the network, a threshold has

    AUC = Phi(d / sqrt(2 (s_r^2 + s_e^2 / networks)))

so that what makes the answer better makes the attack better too (Rezaei, Shafiq and Liu 2023, arXiv 2105.05381). Their remedy
could not be read; the two here are ours:

    share      each network learns a random share of the members, so that a member shifts some of them
    answer     "one": the label is that of the mean, the confidences are those of one network, which a hash of the record draws;
               where that one prefers another class, the two trade places

One network is `Standard`, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import field
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import log_softmax
from jax.scipy.special import logsumexp
from jaxtyping import Float, UInt32

from jaxattack.defences import by_record
from jaxattack.training.learners.selena import without
from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership, Model, Variables, at_least, config

Answers = Literal["mean", "one"]


class Drawing(NamedTuple):
    """The ``rest`` of an ensemble.

    Attributes:
        rest: of its networks; every leaf leads with ``network``.
        salt: of the hash that draws one of them.
    """

    rest: Any
    salt: UInt32[jax.Array, ""]


@config
class DeepEnsemble:
    """Several networks of one architecture, which answer together.

    Attributes:
        recipe: how each is trained.
        networks: how many, at least 1.
        share: of the members that each learns, drawn at random, above 0 and at most 1.
        answer: "mean" of the confidences; or "one", the confidences of one network for each record under the mean's label.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Lakshminarayanan et al. 2017, arXiv 1612.01474; Rezaei et al. 2023, arXiv 2105.05381"

    recipe: Recipe = field(default_factory=Recipe)
    networks: int = 4
    share: float = 1.0
    answer: Answers = "mean"

    def __post_init__(self) -> None:
        at_least(1, networks=self.networks)
        if not 0 < self.share <= 1:
            raise InputError(f"share is {self.share}: give the share of the members that each network learns, up to 1.")

    def check(self, model: Model) -> None:
        """As `Learner`."""
        Standard(recipe=self.recipe).check(model)

    def room(self, slots: int) -> int:
        """Members that each network learns."""
        return max(round(self.share * slots), 1)

    def steps(self, slots: int) -> int:
        """Those of all networks."""
        return self.networks * self.recipe.steps(self.room(slots))

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def deployed(self, model: Model, classes: int) -> Model:  # noqa: ARG002
        """As `jaxattack.types.Composing`: all networks and how they answer."""
        return model if self.networks == 1 else ensemble_of(model, self.networks, self.answer)

    def __call__(self, model, x, y, member, key):
        """As `Learner`; networks are trained one after the other."""

        def learn(key):
            part_key, train_key = jax.random.split(key)
            return Standard(recipe=self.recipe)(model, x, y, self.part(member, part_key), train_key)

        if self.networks == 1 and self.share == 1:
            return Standard(recipe=self.recipe)(model, x, y, member, key)
        if self.networks == 1:
            return learn(key)
        draw_key, networks_key = jax.random.split(key)
        each = jax.lax.map(learn, jax.random.split(networks_key, self.networks))
        return Variables(each.params, Drawing(each.rest, jax.random.bits(draw_key)))

    def part(self, member: Membership, key: Any) -> Membership:
        """The members that one network learns."""
        slots = member.index.shape[0]
        if self.share == 1:
            return member
        # Padded slots come last, so that no network has them in a member's place.
        rank = jnp.argsort(jnp.argsort(jax.random.uniform(key, (slots,)) + jnp.where(member.weight > 0, 0.0, 2.0)))
        count = jnp.maximum(jnp.round(self.share * member.weight.sum()), 1)
        return without(member, rank >= count.astype(rank.dtype), self.room(slots))


@cache
def ensemble_of(model: Model, networks: int, answer: Answers) -> Model:
    """A Model of several; the same arguments give the same object.

    Args:
        model: the architecture of each.
        networks: how many.
        answer: as `DeepEnsemble`.
    """

    def init(key):
        each = jax.vmap(model.init)(jax.random.split(key, networks))
        return Variables(each.params, Drawing(each.rest, jnp.uint32(0)))

    def apply(variables, x):
        each = Variables(variables.params, variables.rest.rest)
        log_p = log_softmax(jax.vmap(model.apply, in_axes=(0, None))(each, x))
        mean = logsumexp(log_p, axis=0) - math.log(networks)
        return mean if answer == "mean" else of_one(log_p, mean, by_record.hashed(x, variables.rest.salt))

    def forward(variables, x, key):  # noqa: ARG001 (it is trained network by network)
        return apply(variables, x), variables.rest

    return Model(init, apply, forward)


def of_one(
    log_p: Float[jax.Array, "network query cls"], mean: Float[jax.Array, "query cls"], drawn: UInt32[jax.Array, "query"]
) -> Float[jax.Array, "query cls"]:
    """Log confidences of the network that each query's number draws, with the highest on the label of the mean."""
    own = log_p[drawn % jnp.uint32(log_p.shape[0]), jnp.arange(mean.shape[0])]
    label, top = mean.argmax(axis=1)[:, None], own.argmax(axis=1)[:, None]
    at_label, at_top = (jnp.take_along_axis(own, place, axis=1) for place in (label, top))
    classes = jnp.arange(mean.shape[1])[None]
    return jnp.where(classes == label, at_top, jnp.where(classes == top, at_label, own))
