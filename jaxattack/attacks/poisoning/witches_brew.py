"""Poison with the right label that pulls training towards a wrong answer about one record (Geiping et al. 2021, arXiv 2009.02276).

Training records of the wanted class are changed a little, each feature by at most ``size`` of its range, so that the mean
gradient of their loss points the same way as that of the target under the wanted label (equation 3):

    min over |delta|_inf <= size of  1 - cos(grad l(t, wanted), mean_i grad l(x_i + delta_i, y_i))

averaged over the attacker's models, by Adam on the sign of the gradient, from several random starts, the best of which stays.
Rates fall to a tenth after 3, 5 and 7 eighths of the steps, as in the authors' code. Of these models none is judged: whether
the target falls is seen on victims trained from scratch on other seeds (`jaxattack.audit.retraining`).
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from jaxattack.attacks.poisoning.features import require_surrogate
from jaxattack.attacks.poisoning.label_flips import check_count
from jaxattack.attacks.poisoning.poison_frogs import require_target
from jaxattack.attacks.poisoning.units import from_inputs, range_of, to_inputs
from jaxattack.descent import descend
from jaxattack.perturb.box import share_of_range
from jaxattack.types import (
    Dataset,
    InputError,
    Model,
    Poison,
    PoisonGoal,
    Progress,
    Surrogate,
    Target,
    Variables,
    at_least,
    config,
)


@config
class WitchesBrew:
    """Records of the wanted class changed a little, so that learning them is learning the wrong answer.

    Attributes:
        size: the largest change of a feature, as a share of its range.
        steps: of the search.
        rate: the first step, as a share of ``size``.
        restarts: random starts, the best of which stays.
        surrogates: models whose gradients are matched at once.

    Raises:
        InputError: a value out of range.
    """

    size: float = 16 / 255
    steps: int = 250
    rate: float = 0.1
    restarts: int = 8
    surrogates: int = 4

    name = "gradient-matching"
    paper = "Geiping et al. 2021, arXiv 2009.02276"
    goal: ClassVar[PoisonGoal] = "targeted"

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, restarts=self.restarts, surrogates=self.surrogates)
        share_of_range(size=self.size)
        if not 0 < self.rate < np.inf:
            raise InputError(f"rate is {self.rate}: give a share of size above 0.")

    def check(self, dataset: Dataset) -> None:
        """As `jaxattack.types.PoisonAttack`: it takes any."""

    def __call__(
        self,
        dataset: Dataset,
        count: int,
        *,
        own: Dataset,  # noqa: ARG002 (as every attack is called)
        seed: int = 0,
        surrogate: Surrogate | None = None,
        target: Target | None = None,
        progress: Progress | None = None,  # noqa: ARG002 (it is done at once)
    ) -> Poison:
        """As `jaxattack.types.PoisonAttack`; there is no more poison than training records of the wanted class.

        The notes say the cosine before and after.
        """
        check_count(count, dataset)
        model, variables = require_surrogate(self.name, surrogate)
        target = require_target(self.name, target)
        of_class = np.flatnonzero(dataset.y == target.wanted)
        source = np.sort(np.random.default_rng(seed).permutation(of_class)[:count])
        if not len(source):
            raise InputError(f"{dataset.name} has no record of class {target.wanted}, which {self.name} would change.")
        low, high = range_of(dataset)
        x, y = to_inputs(dataset.x[source]), dataset.y[source].astype(np.int32)
        aim = to_inputs(target.x[None]), np.asarray([target.wanted], np.int32)
        keys = jax.random.split(jax.random.key(seed), self.restarts)
        best, before, after = _match(
            self, model, variables, x, y, *aim, low, high, self.size * (high - low).astype(np.float32), keys
        )
        notes = {"cosine before": float(1 - before), "cosine after": float(1 - after)}
        changed = from_inputs(np.asarray(best), dataset)
        if dataset.images:  # the nearest byte may be farther than the size allows
            origin, limit = dataset.x[source].astype(int), int(self.size * 255 + 1e-9)
            changed = np.clip(changed, origin - limit, origin + limit).astype(np.uint8)
        return Poison(
            attack=self.name, x=changed, y=dataset.y[source], replaces=source, source=source, notes=notes
        )  # fmt: skip


def mismatch(
    model: Model,
    variables: Variables,
    x: Float[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    target_gradient: Variables,
) -> Float[jax.Array, ""]:
    """One less the cosine between the mean gradient of some records and a gradient that is wanted, all parameters as one vector.

    Args:
        model: the network.
        variables: what it learnt.
        x: records as it takes them.
        y: their labels.
        target_gradient: a gradient, as `gradient` gives.
    """
    own = gradient(model, variables, x, y)
    inner, left, right = (
        optax.tree.vdot(a, b) for a, b in ((own, target_gradient), (own, own), (target_gradient, target_gradient))
    )
    return 1 - jnp.asarray(inner) / jnp.sqrt(jnp.maximum(left * right, 1e-30))  # a gradient of zero has no direction


def gradient(model: Model, variables: Variables, x: jax.Array, y: jax.Array) -> Variables:
    """The gradient of the mean cross entropy of some records at a model's parameters, as deployed."""

    def loss(params):
        logits = model.apply(variables._replace(params=params), x)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, y))

    return jax.grad(loss)(variables.params)


@partial(jax.jit, static_argnames=("attack", "model"))
def _match(attack, model, variables, x, y, aim, label, low, high, size, keys):
    """The best restart's records, and the mean mismatch before and after."""
    goals = jax.vmap(lambda one: gradient(model, one, aim, label))(variables)
    low, high, size = low[None], high[None], size[None]

    def objective(change):
        moved = jnp.clip(x + change, low, high)
        return jnp.mean(jax.vmap(lambda one, goal: mismatch(model, one, moved, y, goal))(variables, goals))

    limits = [attack.steps * eighths // 8 for eighths in (3, 5, 7)]
    schedule = optax.piecewise_constant_schedule(attack.rate, dict.fromkeys(limits, 0.1))
    signed_adam = optax.chain(optax.scale_by_sign(), optax.adam(schedule))  # of changes in units of the largest

    def restart(key):
        start = jax.random.uniform(key, x.shape, minval=-1, maxval=1)
        loss, box = lambda change, _: objective(change * size), lambda change: jnp.clip(change, -1, 1)
        change = descend(loss, signed_adam, start, attack.steps, process=box).point
        return change, objective(change * size)

    changes, values = jax.lax.map(restart, keys)
    best = values.argmin()
    return jnp.clip(x + changes[best] * size, low, high), objective(jnp.zeros_like(x)), values[best]
