"""Federated averaging (McMahan et al. 2017) before a server that keeps what is shared, or that works against its users.

Members are dealt among ``parties``, each of which takes a pass of steps on its own from what is shared; a pass of the recipe is a round
(`jaxattack.training.averaging`). The adversary keeps the parameters of the last ``rounds`` of them: what it sent, and the average
that came back. Deployed is the last average; an attack that reads the others is `nasr-federated`.

    passive    it looks on
    active     in each of these rounds it moves what it sends up the loss of records that it asks about (Nasr, Shokri and
               Houmansadr, S&P 2019, arXiv 1812.00910):  theta + ascent grad of the mean loss
               Who holds a record takes its loss down again, and nobody else does.

It asks about all records, members and others, a ``groups``-th of them in a round. The paper's step is not verified. A participant
with a share w of the average who sends the parameters it was sent, moved by ``ascent`` / w, does the same a round later; a server that
isolates one party, which then trains from its own parameters alone, is a federation of one party.

Local steps are Adam, or gradient descent without momentum, begun anew in each round, on batches drawn with replacement.
"""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped

from jaxattack.models.rounds import join, of_rounds
from jaxattack.training.averaging import Local, Partition, train_round
from jaxattack.training.images import BLOCK, as_input, in_blocks
from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership, Model, Variables, at_least, config

_READ = ("epochs", "batch", "optimizer", "learning_rate", "momentum", "precision")
"""Fields of a recipe that local steps follow, momentum by having none."""


class Targets(NamedTuple):
    """What the adversary asks about.

    Attributes:
        x: ["record *feature"], as the network takes them.
        y: ["record"].
        group: ["record"], the rounds, modulo the number of groups, in which it does.
    """

    x: Float[jax.Array, "record *feature"]
    y: Int[jax.Array, "record"]
    group: Int[jax.Array, "record"]


@config
class Federated:
    """Rounds of averaging among parties, whose last rounds an adversary keeps.

    Attributes:
        recipe: its passes are rounds; local steps have its batch, optimiser (adam or sgd) and learning rate.
        parties: that share the members, at least 1.
        rounds: that the adversary keeps, the last ones, at least 1.
        ascent: how far it moves what it sends, times the gradient of the mean loss; 0 looks on.
        groups: into which it cuts the records, one a round, at least 1.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "McMahan et al. 2017, arXiv 1602.05629; attacked by Nasr et al. 2019, arXiv 1812.00910"

    recipe: Recipe = field(default_factory=Recipe)
    parties: int = 4
    rounds: int = 5
    ascent: float = 0.0
    groups: int = 1

    def __post_init__(self) -> None:
        at_least(1, parties=self.parties, rounds=self.rounds, groups=self.groups)
        if not 0 <= self.ascent < float("inf"):
            raise InputError(f"ascent is {self.ascent}: give a step of at least 0.")
        if self.groups > 1 and not self.ascent:
            raise InputError(f"groups is {self.groups} and ascent 0: give the step by which each is moved.")
        if self.groups > self.rounds:
            raise InputError(f"groups is {self.groups} and rounds {self.rounds}: give at most one a round.")

    def check(self, model: Model) -> None:
        """As `Learner`.

        Raises:
            InputError: a recipe of which local steps have no part, or fewer rounds than are kept.
        """
        Standard(recipe=self.recipe).check(model)
        plain = Recipe()
        for name in (one.name for one in fields(Recipe) if one.name not in _READ):
            if (value := getattr(self.recipe, name)) != getattr(plain, name):
                raise InputError(f"{name} is {value} and Federated takes plain local steps: leave it out.")
        if self.recipe.momentum not in (plain.momentum, 0.0):
            raise InputError(f"momentum is {self.recipe.momentum} and Federated takes steps without: leave it out.")
        if self.recipe.optimizer not in ("adam", "sgd"):
            raise InputError(
                f"optimizer is {self.recipe.optimizer!r} and Federated takes adam or sgd: give one of these."
            )
        if self.recipe.epochs < self.rounds:
            raise InputError(
                f"epochs is {self.recipe.epochs} and the last {self.rounds} rounds are kept: give as many epochs, or keep fewer."
            )

    def local(self, slots: int) -> Local:
        """How each party trains in a round.

        Raises:
            InputError: fewer members than parties.
        """
        if slots < self.parties:
            raise InputError(f"parties is {self.parties} and a model has {slots} members: give each party one.")
        own = -(-slots // self.parties)
        batch = min(self.recipe.batch, own)
        return Local(own // batch, batch, self.recipe.optimizer, self.recipe.learning_rate)

    def steps(self, slots: int) -> int:
        """Those of all parties."""
        return self.recipe.epochs * self.parties * self.local(slots).steps

    def notes(self, slots: int) -> dict[str, float]:
        """How many steps each party takes in a round."""
        return {"local_steps": self.local(slots).steps}

    def deployed(self, model: Model, classes: int) -> Model:  # noqa: ARG002
        """As `jaxattack.types.Composing`: what was shared in the rounds that are kept."""
        return of_rounds(model, self.rounds)

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        deal_key, start_key, round_key = jax.random.split(key, 3)
        local = self.local(member.index.shape[0])
        partition = deal_members(x, y, member, self.parties, deal_key)
        nobodys = jnp.zeros((local.steps, local.batch, *partition.x.shape[1:]))
        group = np.random.default_rng(0).integers(self.groups, size=x.shape[0])
        targets = Targets(partition.x, y, jnp.asarray(group, jnp.int32))

        def train(number, shared):
            one = jax.random.fold_in(round_key, number)
            return train_round(model, local, partition, shared, nobodys, jnp.int32(0), one)

        def last_round(shared, number):
            targets_now = targets.group == number % self.groups
            sent = ascend(model, shared, targets, targets_now, self.ascent) if self.ascent else shared
            average = train(number, sent)
            return average, jax.tree.map(lambda *two: jnp.stack(two), sent, average)

        first = self.recipe.epochs - self.rounds
        shared = jax.lax.fori_loop(0, first, train, model.init(start_key))
        _, pairs = jax.lax.scan(last_round, shared, first + jnp.arange(self.rounds))
        return join(jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), pairs))


def deal_members(
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    member: Membership,
    parties: int,
    key: PRNGKeyArray,
) -> Partition:
    """A model's members dealt among parties at random, as evenly as they can be; every party has one where there are as many."""
    slots = member.index.shape[0]
    # Padded slots come last, so that no party has them in a member's place.
    order = jnp.argsort(jax.random.uniform(key, (slots,)) + jnp.where(member.weight > 0, 0.0, 2.0))
    own = -(-slots // parties)
    places = jnp.resize(order, own * parties).reshape(own, parties).T
    members = jnp.sum(member.weight > 0)
    count = (members - jnp.arange(parties) + parties - 1) // parties
    return Partition(as_input(x).astype(jnp.float32), y, member.index[places], count)


def ascend(
    model: Model, variables: Variables, targets: Targets, targets_now: Bool[jax.Array, "record"], ascent: float
) -> Variables:
    """Parameters moved up the mean loss of the records that are asked about.

    Args:
        model: the architecture.
        variables: from where.
        targets: all records.
        targets_now: which of them.
        ascent: how far, times the gradient.
    """
    blocks = in_blocks(len(targets.y), BLOCK)
    once = jnp.asarray(np.arange(blocks.size).reshape(blocks.shape) < len(targets.y))

    def loss(params):
        def of_block(now):
            index, real = now
            z = model.apply(variables._replace(params=params), targets.x[index])
            each = optax.softmax_cross_entropy_with_integer_labels(z, targets.y[index])
            return jnp.sum(jnp.where(targets_now[index] & real, each, 0.0))

        return jax.lax.map(of_block, (jnp.asarray(blocks), once)).sum() / jnp.maximum(targets_now.sum(), 1).astype(
            jnp.float32
        )

    gradient: Any = jax.grad(loss)(variables.params)
    return variables._replace(params=jax.tree.map(lambda p, g: p + ascent * g, variables.params, gradient))
