"""The inversion network (Yang et al. 2019): a decoder from what the victim answers to what it was asked.

The attacker asks about records of its own, and trains a network to make them back from the answers: ln p of every class,
clipped and moved to have zero mean, of which all but the largest ``truncations`` are set to the smallest. Truncating makes
the network rely on what is in the large confidences, so that it generalises to answers unlike its own records'. All
truncations are trained at once, by vmap.

A class is made back from the answer of a record that the victim is wholly sure of. Each truncation gives one restart; what
is kept is the one that the victim is surest of. The record behind an answer that was seen is made by `Inverter.records`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.inversion.target import best_restart, check_pool, check_targets, require
from jaxattack.descent import descend
from jaxattack.models import build
from jaxattack.training.generators.prior import unit
from jaxattack.types import (
    NUMBERS,
    Answer,
    InputError,
    Inputs,
    Inversion,
    Model,
    Oracle,
    Progress,
    at_least,
    config,
    within_memory,
)

BATCH, _SURE, _FLOOR = 64, 0.99, 1e-6


class Inverter(NamedTuple):
    """A trained inversion network, one for each truncation.

    Attributes:
        model: answers["query cls"] -> outputs before the sigmoid ["query feature"].
        variables: every leaf leads with the axis truncation.
        truncations: how many classes each looks at.
        inputs: what the victim documents.
    """

    model: Model
    variables: Any
    truncations: tuple[int, ...]
    inputs: Inputs

    def records(self, p: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "truncation query *feature"]:
        """The records behind confidences, in the units that the victim documents."""
        features = np.stack([_features(p, classes) for classes in self.truncations])
        u = np.asarray(_outputs(self.model, self.variables, features), np.float64)
        low, width = self.inputs.low, self.inputs.high - self.inputs.low
        return low + u.reshape(*u.shape[:2], *self.inputs.shape) * width


@config
class Network:
    """Train a network that makes records back from confidences.

    Attributes:
        truncations: how many of the largest confidences are looked at; each is a restart. Those beyond the classes count
            as all.
        hidden: units of its hidden layers.
        steps: of its optimiser.

    Raises:
        InputError: a value out of range.
    """

    truncations: tuple[int, ...] = (1, 3, 5, 10)
    hidden: int = 256
    steps: int = 2000

    name = "network"
    paper = "Yang et al. 2019"
    white_box = False
    levels = NUMBERS
    pool = True

    def __post_init__(self) -> None:
        if not self.truncations or min(self.truncations) < 1:
            raise InputError(f"truncations is {self.truncations}: give numbers of classes, each at least 1.")
        at_least(1, hidden=self.hidden, steps=self.steps)

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
            InputError: a class that the victim does not have, no pool to learn from, answers without numbers or constant
                ones, or a budget that ends before the pool is asked.
        """
        access, before = victim.access, victim.ledger
        targets = check_targets(targets, access.classes)
        require(self, victim, pool)
        within_memory(self.hidden * (self.hidden + access.inputs.low.size), hidden=self.hidden)
        own = check_pool(self.name, access.inputs, pool)
        # What it makes is asked about too: nothing else tells which truncation to keep, and how sure the victim is of it. And an
        # audit asks one record again, to see whether the victim is deterministic.
        after, left = len(targets) * len(self._truncations(access.classes)) + 1, getattr(victim, "left", None)
        most = len(own) if left is None else min(len(own), left - after)
        if most < min(len(own), 2 * access.classes):
            raise InputError(
                f"the budget has {left:,} queries left, and network asks about its pool, and {after:,} times about what it makes: give "
                f"at least {2 * access.classes + after:,}."
            )
        reason = (
            f"The budget had {left:,} queries left: it learnt from {most:,} of its records." if most < len(own) else ""
        )
        own = own[:most]
        p = _confidences(victim(own))
        inverter = self.learn(access.inputs, own, p, seed, progress)
        sure = np.full((len(targets), access.classes), (1 - _SURE) / (access.classes - 1))
        sure[np.arange(len(targets)), targets] = _SURE
        restarts = np.moveaxis(inverter.records(sure), 0, 1)
        answers = _confidences(victim(restarts.reshape(-1, *access.inputs.shape)))
        score = np.take_along_axis(answers, np.repeat(targets, restarts.shape[1])[:, None], axis=1)
        score = score.reshape(restarts.shape[:2])
        return Inversion(
            attack=self.name,
            target=targets,
            x=restarts[np.arange(len(targets)), best_restart(score)],
            restarts=restarts,
            score=score,
            steps=np.full(score.shape, self.steps),
            cost=victim.ledger - before,
            complete=not reason,
            reason=reason,
            notes={"truncations": list(inverter.truncations)},
        )

    def learn(
        self,
        inputs: Inputs,
        pool: Shaped[np.ndarray, "record *feature"],
        p: Float[np.ndarray, "record cls"],
        seed: int,
        progress: Progress | None = None,
    ) -> Inverter:
        """Train on records and the victim's confidences in them.

        Raises:
            InputError: too few records, or confidences that are all the same.
        """
        if np.ptp(p, axis=0).max() == 0:
            raise InputError("the victim answers every record with the same confidences: there is nothing to invert.")
        truncations = self._truncations(p.shape[1])
        u, features = jnp.asarray(unit(inputs, pool)), jnp.stack([_features(p, classes) for classes in truncations])
        model = build(f"mlp:{self.hidden}-{self.hidden}", (p.shape[1],), u.shape[1])
        if progress:
            progress("network", 0, 1)
        variables = jax.block_until_ready(_train(model, self.steps, features, u, jax.random.key(seed)))
        if progress:
            progress("network", 1, 1)
        return Inverter(model, variables, truncations, inputs)

    def _truncations(self, classes: int) -> tuple[int, ...]:
        """Those of a victim of so many classes, each once."""
        return tuple(dict.fromkeys(min(most, classes) for most in self.truncations))


def _confidences(answer: Answer) -> Float[np.ndarray, "query cls"]:
    """What was answered as confidences; classes below the top ones get what is left."""
    if answer.probability is not None:
        p = np.asarray(answer.probability, float)
    else:
        z = np.asarray(answer.logit, float)
        p = np.exp(z - np.nanmax(z, axis=1, keepdims=True))
        p /= np.nansum(p, axis=1, keepdims=True)
    hidden = np.isnan(p)
    left = (1 - np.nansum(p, axis=1, keepdims=True)).clip(0) / np.maximum(hidden.sum(axis=1, keepdims=True), 1)
    return np.where(hidden, left, p)


def _features(p: Float[np.ndarray, "query cls"], classes: int) -> Float[np.ndarray, "query cls"]:
    """What the network is given: clipped ln p, all but the largest at the smallest, of zero mean, in units of the range."""
    score = np.log(p.clip(_FLOOR))
    least = np.sort(score, axis=1)[:, [-classes]]
    top = np.where(score >= least, score, score.min(axis=1, keepdims=True))
    return ((top - top.mean(axis=1, keepdims=True)) / -np.log(_FLOOR)).astype(np.float32)


@partial(jax.jit, static_argnames=("model", "steps"))
def _train(model: Model, steps: int, features: jax.Array, u: jax.Array, key: jax.Array):
    def one(features, key):
        variables = model.init(jax.random.fold_in(key, 0))

        def loss(params, number):
            index = jax.random.randint(jax.random.fold_in(key, number + 1), (BATCH,), 0, len(u))
            out = model.apply(variables._replace(params=params), features[index])
            return optax.sigmoid_binary_cross_entropy(out, u[index]).mean()

        return variables._replace(params=descend(loss, optax.adam(1e-3), variables.params, steps).point)

    return jax.vmap(one, in_axes=(0, None))(features, key)


@partial(jax.jit, static_argnames=("model",))
def _outputs(model: Model, variables: Any, features: jax.Array) -> jax.Array:
    return jax.vmap(lambda variables, features: jax.nn.sigmoid(model.apply(variables, features)))(variables, features)
