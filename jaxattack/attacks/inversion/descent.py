"""Descent on many points at once: the loop that every white-box inversion runs in.

A point is one restart of one target, in a unit box, and a lane of `jaxattack.descent`, which says when it
stops. Chunks run one after the other in one compiled program, which stops now and then to tell how far it is and what
is there. Points know nothing of one another, so that neither the chunk nor the number of restarts changes what becomes
of one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from jaxtyping import Float, Int

from jaxattack.descent import Lanes, advance, begin
from jaxattack.training.named_optimizer import optimizer
from jaxattack.types import Progress

Cost = Callable[[Any, Float[jax.Array, "point *feature"], Int[jax.Array, "point"]], Float[jax.Array, "point"]]
"""Arguments, points and what each is to be -> their costs. Hashable, so that it is compiled once."""

Process = Callable[[Float[jax.Array, "point *feature"]], Float[jax.Array, "point *feature"]]

CACHED, SHARE = 1 << 15, 0.5
"""Numbers that a chunk holds by default on a CPU, whose caches they fit; and how much of free memory a chunk may take."""

SEGMENT = 250
"""Steps between two looks at how far it is."""


class Rule(NamedTuple):
    """How points move, and when they stop.

    Attributes:
        optimizer: name of an optax optimiser that takes a learning rate.
        learning_rate: its rate.
        patience: steps without improvement after which a point stops.
        process: applied to the points after each step.
    """

    optimizer: str
    learning_rate: float
    patience: int
    process: Process


class Descent(NamedTuple):
    """What a descent ended with.

    Attributes:
        best: Float["point *feature"].
        cost: Float["point"]; infinite where it diverged at once.
        steps: Int["point"].
        frames: (step, best until then) at the steps that were asked for.
    """

    best: np.ndarray
    cost: np.ndarray
    steps: np.ndarray
    frames: tuple[tuple[int, np.ndarray], ...]


def descend(
    cost: Cost,
    arguments: Any,
    start: Float[np.ndarray, "point *feature"],
    target: Int[np.ndarray, "point"],
    rule: Rule,
    *,
    steps: int,
    enough: float,
    chunk: int | None = None,
    group: int = 1,
    marks: tuple[int, ...] = (),
    progress: Progress | None = None,
) -> Descent:
    """Move every point down its cost.

    Args:
        cost: of points.
        arguments: handed to it: the victim's variables and the like.
        start: where the points begin.
        target: what each is to be.
        rule: how they move.
        steps: at most.
        enough: a cost at which a point stops.
        chunk: points that move at the same time; by default as many as fit the caches of a CPU, or half of free memory.
        group: consecutive points whose costs depend on one another, never parted.
        marks: steps at which the best points are wanted.
        progress: told of steps.
    """
    points = len(start)
    chunk = _group_multiple(min(chunk or _fitting(cost, arguments, start, rule, group), points), group)
    chunks = -(-points // chunk)
    index = np.arange(chunks * chunk).reshape(chunks, chunk).clip(max=points - 1)
    state = _begin(rule, jnp.asarray(start[index], jnp.float32))
    goals, limit = jnp.asarray(target[index], jnp.int32), jnp.float32(enough)
    stops = sorted({*marks, *range(SEGMENT, steps, SEGMENT), steps})
    frames = []
    for until in stops:
        state = _advance(cost, rule, arguments, state, goals, jnp.int32(until), limit)
        active = bool(state.active.any())
        if until in marks:
            frames.append((until, _flat(state.best, points)))
        if progress:
            progress("steps", until if active else steps, steps)
        if not active:
            break
    return Descent(_flat(state.best, points), _flat(state.cost, points), _flat(state.steps, points), tuple(frames))


def _flat(part: jax.Array, points: int) -> np.ndarray:
    return np.asarray(part).reshape(-1, *part.shape[2:])[:points]


def _group_multiple(chunk: int, group: int) -> int:
    return max(chunk // group, 1) * group


def _fitting(cost: Cost, arguments: Any, start: np.ndarray, rule: Rule, group: int) -> int:
    """Points a chunk: on a CPU what its caches hold, then halved until the compiler's account fits into memory."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() or {}
    cpu = device.platform == "cpu"
    free = psutil.virtual_memory().available if cpu else stats["bytes_limit"] - stats["bytes_in_use"]
    size = start[0].size
    chunk = _group_multiple(max(CACHED // size, 32) if cpu else len(start), group)
    while chunk > group:
        points = jax.ShapeDtypeStruct((1, min(chunk, len(start)), *start.shape[1:]), np.float32)
        state = jax.eval_shape(partial(_begin, rule), points)
        goals = jax.ShapeDtypeStruct(points.shape[:2], np.int32)
        scalars = jax.ShapeDtypeStruct((), np.int32), jax.ShapeDtypeStruct((), np.float32)
        need = _advance.lower(cost, rule, arguments, state, goals, *scalars).compile().memory_analysis()
        assert need is not None
        if need.temp_size_in_bytes + need.argument_size_in_bytes <= SHARE * free:
            break
        chunk = _group_multiple(chunk // 2, group)
    return chunk


@partial(jax.jit, static_argnames=("rule",))
def _begin(rule: Rule, x: jax.Array) -> Lanes:
    return jax.vmap(partial(begin, optimizer(rule.optimizer, rule.learning_rate)))(x)


@partial(jax.jit, static_argnames=("cost", "rule"), donate_argnames=("state",))
def _advance(cost, rule, arguments, state, target, until, enough):
    change = optimizer(rule.optimizer, rule.learning_rate)

    def one(part: tuple[Lanes, jax.Array]) -> Lanes:
        lanes, goal = part
        rules: Any = {"patience": rule.patience, "process": rule.process}
        return advance(lambda x: cost(arguments, x, goal), change, lanes, until=until, enough=enough, **rules)

    return jax.lax.map(one, (state, target))
