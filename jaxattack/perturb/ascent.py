"""What all ascents of a loss within a ball have in common: the place, its slope, and the best of all attempts.

An attempt is a restart, or a target. All attempts at all records of a block are rows of one batch, attempts first, so that
one compiled loop moves them; it ends when every record has one attempt that is through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.box import block_of, box_of, free_of, in_blocks
from jaxattack.perturb.losses import Loss
from jaxattack.perturb.norms import BALLS, Ball, Norm, per_record
from jaxattack.types import Inputs, Model, Variables


class Ascent(NamedTuple):
    """Records moved up a loss.

    Attributes:
        example: in the units of the records: of the attempts that fool the model the one with the highest loss, or of all
            where none does.
        reached: whether it fools the model, as the loss says.
        gradients: that were taken of each record.
        flat: whether the loss had no gradient at all where the attempts began: a sign of a saturated or masked model.
    """

    example: Float[np.ndarray, "record *feature"]
    reached: Bool[np.ndarray, "record"]
    gradients: Int[np.ndarray, "record"]
    flat: Bool[np.ndarray, "record"]


class Best(NamedTuple):
    """The best place of each row until now.

    Attributes:
        share: the place, in shares of the ranges.
        value: of the loss.
        reached: whether the loss says that it is enough.
    """

    share: Float[jax.Array, "row *feature"]
    value: Float[jax.Array, "row"]
    reached: Bool[jax.Array, "row"]


class Ground(NamedTuple):
    """Where rows may go.

    Attributes:
        start: the records.
        low: the smallest share of each feature.
        high: the largest.
        free: 1 where a feature may change.
        size: the largest change.
    """

    start: Float[jax.Array, "row *feature"]
    low: Float[jax.Array, "1 *feature"]
    high: Float[jax.Array, "1 *feature"]
    free: Float[jax.Array, "1 *feature"]
    size: Float[jax.Array, ""]

    def inside(self, share: Float[jax.Array, "row *feature"], ball: Ball) -> Float[jax.Array, "row *feature"]:
        """The place within the ball and the box; a box that holds the start brings nothing out of the ball."""
        return jnp.clip(self.start + self.free * ball.project(share - self.start, self.size), self.low, self.high)


def slopes(
    model: Model, loss: Loss, variables: Variables, span: jax.Array, y: jax.Array, target: jax.Array | None
) -> Callable[[jax.Array], tuple[jax.Array, jax.Array, jax.Array]]:
    """A function of shares: the loss of each row, its gradient, and whether it is enough."""

    def total(share):
        x = share * span
        z = model.apply(variables, x)
        value = loss(z, y, target, x, variables)
        return value.sum(), (value, loss.reached(z, y, target, x, variables))

    def at(share):
        slope, (value, reached) = jax.grad(total, has_aux=True)(share)
        return value, jnp.where(jnp.isfinite(slope), slope, 0.0), reached

    return at


def better(best: Best, share: jax.Array, value: jax.Array, reached: jax.Array) -> Best:
    """The better of two places of each row: first whether it is enough, then the loss."""
    ahead = (reached & ~best.reached) | ((reached == best.reached) & (value > best.value))
    return Best(
        jnp.where(per_record(ahead, share), share, best.share),
        jnp.where(ahead, value, best.value),
        best.reached | reached,
    )


def best_attempt(best: Best, attempts: int) -> tuple[jax.Array, jax.Array]:
    """Of each record's attempts the best, and whether it is enough."""
    reached, value = (part.reshape(attempts, -1) for part in (best.reached, best.value))
    rank = jnp.where(reached == reached.any(axis=0, keepdims=True), jnp.nan_to_num(value, nan=-jnp.inf), -jnp.inf)
    share = best.share.reshape(attempts, -1, *best.share.shape[1:])
    return share[rank.argmax(axis=0), jnp.arange(share.shape[1])], reached.any(axis=0)


def likeliest_others(
    model: Model, variables: Variables, x: jax.Array, y: jax.Array, count: int
) -> Int[jax.Array, "target record"]:
    """The classes other than a record's that a model finds likeliest."""
    z = model.apply(variables, x)
    return jax.lax.top_k(jnp.where(jax.nn.one_hot(y, z.shape[1]) > 0, -jnp.inf, z), count)[1].T


def random_changes(ball: Ball, seed: jax.Array, record: jax.Array, attempts: int, shape: tuple[int, ...]) -> jax.Array:
    """A change of at most length 1 for each attempt at each record, which does not depend on the other records."""

    def one(attempt, record):
        return ball.random(jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), record), attempt), shape)

    each = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(jnp.arange(attempts), record)
    return each.reshape(-1, *shape)


def without_slope(slope: jax.Array, reached: jax.Array, attempts: int) -> Bool[jax.Array, "record"]:
    """Which records no attempt can begin to climb, though it has not reached its end."""
    stuck = ~(slope != 0).reshape(len(slope), -1).any(axis=1) & ~reached
    return stuck.reshape(attempts, -1).all(axis=0)


def repeated(rows: jax.Array, attempts: int) -> jax.Array:
    """Rows once for each attempt."""
    return jnp.tile(rows, (attempts, *[1] * (rows.ndim - 1)))


def ascend(
    program: Callable[..., tuple[jax.Array, jax.Array, jax.Array, jax.Array]],
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    inputs: Inputs,
    attempts: int,
    record: Int[np.ndarray, "record"] | None,
) -> Ascent:
    """Run a program block by block.

    Args:
        program: (records, labels, their numbers, box, what is free) -> shares, reached, gradients, flat.
        x: records.
        y: labels.
        inputs: the range to stay in.
        attempts: at each record.
        record: its number, which decides what is random about it; its place by default.
    """
    box, free = box_of(inputs), free_of(inputs)
    number = np.arange(len(x)) if record is None else record
    share, reached, gradients, flat = in_blocks(
        lambda x, y, number: program(x, y, number, box, free), x, y, number, block=block_of(x[0].size, attempts)
    )
    # A category that went through shares of its range would come back a rounding beside its whole number, which a service refuses.
    example = np.where(inputs.categories > 0, x, np.clip(share * box[2], inputs.low, inputs.high))
    return Ascent(example, reached > 0, gradients.astype(int), flat > 0)


class Aim(NamedTuple):
    """What an ascent within a ball is compiled for.

    Attributes:
        model: with gradients.
        loss: what to raise.
        norm: of the ball.
        attempts: random starts; or targets, the likeliest classes first.
        targeted: whether attempts are targets.
        early: leave a record alone once one of its attempts fools the model.
        direction: the norm in which a step is the steepest; None for that of the ball.
    """

    model: Model
    loss: Loss
    norm: Norm
    attempts: int = 1
    targeted: bool = False
    early: bool = True
    direction: Norm | None = None

    @property
    def ball(self) -> Ball:
        """Of the norm."""
        return BALLS[self.norm]

    def steepest(self, slope: jax.Array) -> jax.Array:
        """The step of length 1 up a slope, in the norm of the direction."""
        return BALLS[self.direction or self.norm].steepest(slope)

    def begin(
        self,
        variables: Variables,
        x: jax.Array,
        y: jax.Array,
        box: tuple[jax.Array, jax.Array, jax.Array],
        free: jax.Array,
        size: jax.Array,
    ) -> tuple[Ground, Callable[[jax.Array], tuple[jax.Array, jax.Array, jax.Array]]]:
        """Where the rows of a block may go, and `slopes` of the loss there."""
        low, high, span = (part[None] for part in box)
        target = likeliest_others(self.model, variables, x, y, self.attempts).reshape(-1) if self.targeted else None
        ground = Ground(repeated(x / span, self.attempts), low / span, high / span, free[None], size)
        return ground, slopes(self.model, self.loss, variables, span, repeated(y, self.attempts), target)

    def done(self, best: Best) -> Bool[jax.Array, "record"]:
        """Which records are left alone from now on."""
        return self.early & best.reached.reshape(self.attempts, -1).any(axis=0)


class Climb(NamedTuple):
    """Records to move up a loss within a ball.

    Attributes:
        aim: what to raise, and by how many attempts.
        variables: of the model.
        x: records.
        y: the labels to move away from.
        inputs: the range to stay in; categories stay as they are.
        size: of the ball, in shares of the ranges.
        seed: decides the random starts.
        record: the number of each, which decides its random starts; its place by default.
    """

    aim: Aim
    variables: Variables
    x: Float[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]
    inputs: Inputs
    size: float
    seed: int = 0
    record: Int[np.ndarray, "record"] | None = None

    def run(self, program: Callable[..., tuple[jax.Array, jax.Array, jax.Array, jax.Array]]) -> Ascent:
        """Move them by a program of `ascend` that is also told the aim and the variables before, and the size and the seed after."""

        def block(x, y, number, box, free):
            return program(self.aim, self.variables, x, y, number, box, free, self.size, self.seed)

        return ascend(block, self.x, self.y, self.inputs, self.aim.attempts, self.record)
