"""IPGuard: points just over the boundary of the owner's model (Cao, Jia and Gong 2021, arXiv 1910.12903).

From a record that the model labels i, towards another label j drawn at random, Adam lowers

    ReLU(z_i - z_j + k) + ReLU(max_{t != i, j} z_t - z_i)

inside of the box until it is 0: the point is labelled j by k in logits, and i comes second. A copy shares the boundary and
labels the points as the model does, and the less so the smaller k is; an independent model the less so too.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from jaxattack.attacks.ownership.fingerprint import Fingerprint
from jaxattack.perturb.box import box_of, in_blocks
from jaxattack.perturb.labels import labels_of
from jaxattack.types import (
    Evidence,
    InputError,
    Model,
    Owner,
    Progress,
    Variables,
    WhiteBox,
    above_zero,
    at_least,
    config,
)


class BoundaryPoints(NamedTuple):
    """Points on their way over a boundary.

    Attributes:
        x: in the units of the records.
        objective: 0 where a point has come over.
        steps: that each took.
    """

    x: Float[np.ndarray, "record *feature"]
    objective: Float[np.ndarray, "record"]
    steps: Int[np.ndarray, "record"]


def boundary_points(
    box: WhiteBox,
    x: Float[np.ndarray, "record *feature"],
    source: Int[np.ndarray, "record"],
    target: Int[np.ndarray, "record"],
    *,
    margin: float = 10.0,
    steps: int = 1000,
    rate: float = 0.01,
) -> BoundaryPoints:
    """Each record brought from one label to another, by the module's objective.

    Args:
        box: a model.
        x: records in its units.
        source: i of each.
        target: j of each, another one.
        margin: k, in logits.
        steps: at most.
        rate: of Adam, in shares of each feature's range.
    """
    edges = box_of(box.inputs), (box.inputs.categories == 0).astype(np.float32)

    def block(x, source, target):
        return _descend(box.model, box.variables, x, source, target, *edges, margin, steps, rate)

    points, objective, count = in_blocks(block, x, source, target)
    return BoundaryPoints(points, objective, count.astype(int))


@partial(jax.jit, static_argnames="model")
def _descend(model: Model, variables: Variables, x: jax.Array, source, target, box, free, margin, steps, rate):
    low, high, span = (part[None] for part in box)
    each = (len(x), *[1] * (x.ndim - 1))

    def objective(share):
        z = model.apply(variables, share * span)
        at_source, at_target = (jax.nn.one_hot(part, z.shape[1]) for part in (source, target))
        own, other = jnp.sum(at_source * z, axis=1), jnp.sum(at_target * z, axis=1)
        third = jnp.max(jnp.where(at_source + at_target > 0, -jnp.inf, z), axis=1)
        value = jax.nn.relu(own - other + margin) + jax.nn.relu(third - own)
        return value.sum(), value

    adam = optax.adam(rate)

    def step(state):
        share, moments, count, _ = state
        (_, value), slope = jax.value_and_grad(objective, has_aux=True)(share)
        change, moments = adam.update(slope * free[None], moments)
        following = jnp.clip(share + change, low / span, high / span)
        over = value == 0
        return jnp.where(over.reshape(each), share, following), moments, count + (~over).astype(jnp.int32), over

    def unfinished(state):
        return (~state[3]).any() & (state[2].max() < steps)

    share = x / span
    start = share, adam.init(share), jnp.zeros(len(x), jnp.int32), jnp.zeros(len(x), bool)
    share, _, count, _ = jax.lax.while_loop(unfinished, step, start)
    return share * span, objective(share)[1], count


@config
class IPGuard(Fingerprint):
    """The labels of points just over the boundary.

    Attributes:
        points: the paper's 100.
        margin: k, in logits: the paper's 10.
        steps: of Adam, at most.
        rate: of Adam, in shares of each feature's range.

    Raises:
        InputError: a value out of range.
    """

    points: int = 100
    margin: float = 10.0
    steps: int = 1000
    rate: float = 0.01

    name = "ipguard"
    paper = "Cao et al. 2021, arXiv 1910.12903"

    def __post_init__(self) -> None:
        at_least(1, points=self.points, steps=self.steps)
        above_zero(rate=self.rate)
        if not 0 <= self.margin < float("inf"):
            raise InputError(f"margin is {self.margin}: give a number of logits from 0.")

    def prepare(self, owner: Owner, *, seed: int = 0, progress: Progress | None = None) -> Evidence:
        """As `jaxattack.types.OwnershipTest`: twice as many candidates as points, of which the best are taken.

        Raises:
            InputError: no candidate comes over the boundary.
        """
        rng, box = np.random.default_rng(seed), owner.victim
        rows = np.resize(rng.permutation(len(owner.members)), 2 * self.points)
        x = owner.members.x[rows].astype(np.float64)
        source = labels_of(box, x)
        target = (source + rng.integers(1, box.classes, len(rows))) % box.classes
        candidates = boundary_points(box, x, source, target, margin=self.margin, steps=self.steps, rate=self.rate)
        if progress:
            progress("points", len(rows), len(rows))
        over = candidates.objective == 0
        if not over.any():
            raise InputError(
                f"margin is {self.margin} and no point of the owner's model is labelled otherwise by so much: give less."
            )
        best = np.argsort(candidates.objective, kind="stable")[: self.points]
        points = candidates.x[best].astype(np.float32)
        return Evidence(
            test=self.name,
            arrays={"x": points, "y": labels_of(box, points), "classes": np.asarray(box.classes)},
            gradients=int(candidates.steps.sum()),
            notes={"candidates over the boundary": float(over.mean())},
        )
