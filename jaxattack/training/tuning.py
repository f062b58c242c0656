"""The fastest way through the models of a device, measured on the device itself.

Which form of convolution is fast, and how many models to handle at the same time, depends on the device, the architecture,
the precision and the batch; no rule holds on every machine. So a short training (16 steps) and one pass of questions are
compiled and timed for a few ways: each form of convolution with 1, 4, 16, ... models at the same time, as long as that is 5%
faster, then larger blocks of questions likewise. The time of the whole work decides. What was measured is remembered while
the process lives. Each form, and the blocks, have an equal share of a minute, after which no further way of theirs is begun.
Ways differ by rounding, which grows while networks train: models of one way are not those of another bit for bit, but of the
same distribution (`jaxattack.training.placement.Placement` has figures). Timings vary: with ``vmap``, ``conv`` and ``block``
given, a run does not depend on them. What was taken stands in the run folder and in the report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.errors import JaxRuntimeError
from jax.sharding import Mesh, NamedSharding

from jaxattack.models.conv import Form
from jaxattack.training.images import BLOCK, Queries
from jaxattack.training.placement import Placement
from jaxattack.training.program import (
    EVERYWHERE,
    MODEL,
    Way,
    Work,
    aval,
    both_programs,
    compile_observation,
    compile_training,
)
from jaxattack.training.program_cache import program_cache
from jaxattack.types import Membership, gradient_steps

STEPS, RECORDS, PATIENCE, GAIN = 16, 16384, 60.0, 0.95


_training = program_cache(16)(compile_training)
"""Of the ways that are being tried, apart from the programs of sweeps: ways that differ in the block alone share one."""


class Timing(NamedTuple):
    """What a way costs.

    Attributes:
        way: which.
        step_seconds: a training step of one model, on one device.
        answer_seconds: one view of one record asked of one model, on one device.
        compile_seconds: of both programs.
        bytes_per_device: what the larger of them needs.
    """

    way: Way
    step_seconds: float
    answer_seconds: float
    compile_seconds: float
    bytes_per_device: int


def shortened(work: Work, records: int) -> Work:
    """The same work in 16 steps or a few more, and one view a record."""
    recipe: Any = work.learner.recipe
    batch = min(recipe.batch, work.slots)
    slots = min(work.slots, STEPS * batch, records)
    epochs = -(-STEPS // (slots // min(batch, slots)))
    learner: Any = work.learner
    learner = replace(learner, recipe=replace(recipe, epochs=epochs))
    return work._replace(learner=learner, queries=Queries(), slots=slots, reserve=min(work.reserve, records))


@program_cache(64)
def measure(work: Work, mesh: Mesh, way: Way, x: jax.ShapeDtypeStruct) -> Timing:
    """Compile and time a way on random records.

    Args:
        work: what is to be done.
        mesh: the devices.
        way: how.
        x: the shape and type of the records.

    Raises:
        JaxRuntimeError: the device has no room for it, or no program.
    """
    records, labels = _random(min(x.shape[0], RECORDS), x, mesh)
    short = shortened(work, len(records))
    models = mesh.size * way.group
    begin = time.perf_counter()
    program = both_programs(_training, compile_observation, short, mesh, models, way, aval(records), aval(labels))
    compiling = time.perf_counter() - begin
    keys, member = jax.device_put(_models(models, short.slots), NamedSharding(mesh, MODEL))
    variables, training = _timed(lambda: program.train((keys, member), records, labels))
    _, observing = _timed(lambda: program.observe((keys, member, variables), records, labels))
    steps = way.group * gradient_steps(short.learner, short.slots, short.reserve)
    return Timing(way, training / steps, observing / (way.group * len(records)), compiling, program.bytes_per_device)


def _random(count: int, x: jax.ShapeDtypeStruct, mesh: Mesh) -> tuple[jax.Array, jax.Array]:
    """Random records: a device that saves power on zeros would be timed wrongly."""
    key, shape = jax.random.key(0), (count, *x.shape[1:])
    noise = jax.random.bits(key, shape, jnp.uint8) if x.dtype == jnp.uint8 else jax.random.normal(key, shape)
    return jax.device_put((noise.astype(x.dtype), jnp.zeros(count, jnp.int32)), NamedSharding(mesh, EVERYWHERE))


def _models(count: int, slots: int) -> tuple[jax.Array, Membership]:
    index = jnp.broadcast_to(jnp.arange(slots, dtype=jnp.int32), (count, slots))
    return jax.random.split(jax.random.key(0), count), Membership(index, jnp.ones((count, slots), jnp.float32))


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives and the seconds of the faster of two, after one that warms up."""
    result, seconds = jax.block_until_ready(run()), []
    for _ in range(2):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begin)
    return result, min(seconds)


def fastest(
    work: Work,
    mesh: Mesh,
    x: jax.ShapeDtypeStruct,
    *,
    share: int,
    room: float,
    placement: Placement,
    forms: Iterable[Form],
) -> Way:
    """The way that does the whole work in the least time, of those that were tried.

    Args:
        work: what is to be done.
        mesh: the devices.
        x: the records' shape and type.
        share: models of a device, which bounds the group.
        room: bytes of a device that a program may take.
        placement: what is fixed already.
        forms: of convolution, to try.

    Raises:
        JaxRuntimeError: not even the first way runs.
    """
    forms = tuple(forms)
    answers = x.shape[0] * work.queries.count

    def seconds(timing: Timing) -> float:
        return (
            timing.step_seconds * gradient_steps(work.learner, work.slots, work.reserve)
            + timing.answer_seconds * answers
        )

    def climb(best: Timing | None, ways: Iterable[Way]) -> Timing | None:
        """The best so far, or a way better than it; the ways are tried until one is not better than the one before."""
        before, deadline = None, time.perf_counter() + PATIENCE / (len(forms) + 1)
        for way in ways:
            if before and time.perf_counter() > deadline:
                break
            try:
                now = measure(work, mesh, way, x)
            except JaxRuntimeError:
                if best is None:
                    raise
                break
            if best and now.bytes_per_device > room:
                break
            if best is None or seconds(now) < GAIN * seconds(best):
                best = now
            if before and seconds(now) >= GAIN * seconds(before):
                break
            before = now
        return best

    best = None
    block = placement.block or BLOCK
    for form in forms:
        groups = (
            [min(placement.vmap, share)] if placement.vmap else [4**power for power in range(8) if 4**power <= share]
        )
        best = climb(best, [Way(form, group, block) for group in groups])
    assert best is not None
    if placement.block is None:
        sizes = [size for size in (4 * BLOCK, 16 * BLOCK) if size < 4 * x.shape[0]]
        best = climb(best, [best.way._replace(block=size) for size in sizes]) or best
    _training.cache_clear()
    return best.way
