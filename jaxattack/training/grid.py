"""Networks of an attribute grid (`jaxattack.models.attribute_grid`) trained in one program, whatever the architecture and the training.

    optimizer   SGD with momentum, Adam and RMSprop step side by side on the same gradient, and one step is taken
    batch       the gradient of 64 records a step is gathered over 1, 2 or 4 steps before a step is taken
    data        which records each step sees is decided outside, and handed over as indices: passes over all, a half or a quarter,
                each in a new order

So every network learns from as many records, and costs as much. Net i depends on the seed, on i and on its codes alone: not on
the chunk, nor on how many others there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int

from jaxattack.models.attribute_grid import Codes, CodeVector, GridNetwork, Weights
from jaxattack.training.images import as_input
from jaxattack.training.program import device_mesh, fixed_kernels, mapped, on_cpu
from jaxattack.types import Dataset, InputError, Progress, above_zero, at_least, config

BATCH = 64
"""Records a step; the smallest batch of the grid."""

_TOGETHER = 64
"""Networks that an accelerator trains at the same time."""


@config
class GridRecipe:
    """How the networks of a grid are trained, in what is no attribute.

    Attributes:
        steps: batches of 64 records that each learns from.
        sgd: the learning rate of SGD.
        momentum: of SGD, 0 to below 1.
        adam: the learning rate of Adam.
        rmsprop: the learning rate of RMSprop.

    Raises:
        InputError: a value out of range.
    """

    steps: int = 320
    sgd: float = 0.02
    momentum: float = 0.9
    adam: float = 2e-3
    rmsprop: float = 2e-3

    def __post_init__(self) -> None:
        at_least(4, steps=self.steps)
        above_zero(sgd=self.sgd, adam=self.adam, rmsprop=self.rmsprop)
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum is {self.momentum}: give 0 to below 1.")

    @property
    def optimizers(self) -> tuple[optax.GradientTransformation, ...]:
        """In the order of the attribute's values."""
        return optax.sgd(self.sgd, self.momentum), optax.adam(self.adam), optax.rmsprop(self.rmsprop)


def share_of(data: int, records: int) -> slice:
    """Which records a value of the attribute ``data`` stands for: all, one of two halves, or one of four quarters."""
    parts, part = (1, 0) if data == 0 else (2, data - 1) if data < 3 else (4, data - 3)
    size = records // parts
    return slice(part * size, (part + 1) * size)


def schedule(data: int, records: int, steps: int, *, seed: int, net: int) -> Int[np.ndarray, "step row"]:
    """The records of each step: passes over the net's share, each in an order of its own.

    Args:
        data: the code of its share.
        records: that there are.
        steps: how many batches.
        seed: of the zoo.
        net: its number in it.
    """
    rng = np.random.default_rng([seed, net, 1])
    share = share_of(data, records)
    size = share.stop - share.start
    passes = [rng.permutation(size) for _ in range(-(-steps * BATCH // size))]
    return (np.concatenate(passes)[: steps * BATCH] + share.start).reshape(steps, BATCH).astype(np.int32)


class GridChunk(NamedTuple):
    """Networks that were trained together.

    Attributes:
        weights: each leaf leads with the axis ``net``.
        accuracy: Float["net"], on the records that none was trained on.
    """

    weights: Weights
    accuracy: Float[np.ndarray, "net"]


def train_grid(
    network: GridNetwork,
    recipe: GridRecipe,
    pool: Dataset,
    fresh: Dataset,
    codes: Int[np.ndarray, "net attribute"],
    numbers: Int[np.ndarray, "net"],
    *,
    chunk: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[GridChunk]:
    """Train networks, a chunk at a time.

    Args:
        network: the grid.
        recipe: how they are trained.
        pool: what they are trained on.
        fresh: other records, on which their accuracy is measured.
        codes: of each.
        numbers: of each, within the zoo.
        chunk: how many are trained in a call of the program, which is filled up by repeating a network.
        seed: of the zoo.
        progress: called after each chunk.

    Raises:
        InputError: fewer records than four batches' worth of a quarter need.
    """
    if len(pool) < 4 * BATCH // 4:
        raise InputError(
            f"{pool.name} has {len(pool)} records to train on, and a quarter of them is less than {BATCH // 4}: give more."
        )
    x, other = (as_input(jnp.asarray(part.x)) for part in (pool, fresh))
    patches, other = map(jax.jit(network.patches), (x, other))
    labels = jnp.asarray(pool.y, jnp.int32), jnp.asarray(fresh.y, jnp.int32)
    program = _program(network, recipe)
    slots = -(-chunk // device_mesh().size) * device_mesh().size
    for start in range(0, len(codes), chunk):
        size = min(chunk, len(codes) - start)
        own = start + np.arange(slots).clip(max=size - 1)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.asarray(numbers[own]))
        orders = [
            schedule(int(Codes(*codes[net]).data), len(pool), recipe.steps, seed=seed, net=int(numbers[net]))
            for net in own
        ]
        weights, accuracy = jax.device_get(
            program((keys, codes[own], np.stack(orders)), patches, labels[0], other, labels[1])
        )
        yield GridChunk(jax.tree.map(lambda leaf, size=size: leaf[:size], weights), accuracy[:size])
        if progress:
            progress("networks", start + size, len(codes))


@cache
def _program(network: GridNetwork, recipe: GridRecipe) -> Any:
    """(keys["net"], codes, schedules), patches, y, fresh patches, fresh y -> weights and accuracies."""

    def one(own, patches, y, other, held_y):
        key, codes, order = own
        weights = train_net(network, recipe, key, codes, order, patches, y)
        right = network.logits(weights, codes, other).argmax(axis=1) == held_y
        return weights, right.mean()

    mesh = device_mesh()
    cpu = on_cpu(mesh)
    function = mapped(one, mesh, 1 if cpu else _TOGETHER)
    return jax.jit(function, compiler_options=fixed_kernels(mesh)) if cpu else function


def train_net(
    network: GridNetwork,
    recipe: GridRecipe,
    key: jax.Array,
    codes: CodeVector,
    order: Int[jax.Array, "step row"],
    patches: Float[jax.Array, "record place feature"],
    y: Int[jax.Array, "record"],
) -> Weights:
    """One network, as a traceable function.

    Args:
        network: the grid.
        recipe: how it is trained.
        key: of its initial weights and its dropout.
        codes: its attributes.
        order: as `schedule`.
        patches: of all records, by `GridNetwork.patches`.
        y: their labels.
    """
    code = Codes(*codes)
    start, dropout = jax.random.split(key)
    begin, unravel = ravel_pytree(network.init(start, codes))
    every = 2 ** jnp.asarray(code.batch)
    optimizers = recipe.optimizers

    def loss(flat: jax.Array, rows: jax.Array, step: jax.Array) -> jax.Array:
        logits = network.logits(unravel(flat), codes, patches[rows], jax.random.fold_in(dropout, step))
        return optax.softmax_cross_entropy_with_integer_labels(logits, y[rows]).mean()

    def step(carry: Any, number: jax.Array) -> tuple[Any, None]:
        flat, states, gradient = carry
        gradient = gradient + jax.grad(loss)(flat, order[number], number)
        pairs = [
            each.update(gradient / every.astype(gradient.dtype), state)
            for each, state in zip(optimizers, states, strict=True)
        ]
        which = jnp.broadcast_to(jnp.asarray(code.optimizer), flat.shape)
        update = jax.lax.select_n(which, *(jnp.asarray(update) for update, _ in pairs))
        due = (number + 1) % every == 0
        states = jax.tree.map(lambda new, old: jnp.where(due, new, old), tuple(state for _, state in pairs), states)
        return (jnp.where(due, flat + update, flat), states, jnp.where(due, 0, gradient)), None

    states = tuple(each.init(begin) for each in optimizers)
    (flat, *_), _ = jax.lax.scan(step, (begin, states, jnp.zeros_like(begin)), jnp.arange(len(order)))
    return unravel(flat)
