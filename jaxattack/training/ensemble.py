"""Hundreds of models trained and observed at once, a chunk at a time.

A chunk is the group of models that one compiled program handles. Its models are split over the local devices on a mesh
axis "model"; a device goes through its share with `jax.lax.map`, a few models vmapped at a time. The records lie on
every device once and each model holds indices into them.

Model i depends on the run's seed, on i and on its own members alone: not on the number of models, the chunk, the
grouping or the devices, beyond floating-point rounding. Programs are compiled once and found again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Bool, Float, Int

from jaxattack.training.images import Queries, check_views, in_blocks
from jaxattack.training.recipe import Recipe
from jaxattack.training.signals import ALWAYS, lookup, require_converged
from jaxattack.training.single import Membership, observe, train
from jaxattack.types import Dataset, Ensemble, InputError, Model, Observations, Variables

MODEL, EVERYWHERE = PartitionSpec("model"), PartitionSpec()


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How the work is cut. It changes speed and memory, never results beyond rounding.

    Attributes:
        chunk: models a compiled program handles, rounded up to fill every device; by default about a sixteenth of the run.
        vmap: models a device handles at the same time; by default 1 for convolutions and 2 for other networks on a
            CPU, and 64 on an accelerator.

    Both are halved until the program fits into free memory, but for a ``vmap`` that is given.

    Raises:
        InputError: less than 1.
    """

    chunk: int | None = None
    vmap: int | None = None

    def __post_init__(self) -> None:
        for name in ("chunk", "vmap"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}: give 1 or more models.")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What is trained and what is kept: everything that decides the results, but for the records and the members.

    Attributes:
        model: the architecture.
        recipe: how each is trained.
        queries: the views that each is asked about.
        signals: what is kept of the answers; ``phi`` and ``correct`` always are.
        seed: the run's key.

    Raises:
        InputError: an unknown signal, or a seed out of range.
    """

    model: Model
    recipe: Recipe
    queries: Queries = Queries()
    signals: tuple[str, ...] = ALWAYS
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for name in self.signals:
            lookup(name)
        object.__setattr__(self, "signals", tuple(dict.fromkeys((*ALWAYS, *self.signals))))


def check_seed(seed: int) -> None:
    """Refuse a seed that JAX would cut to 32 bits, or that is negative.

    Raises:
        InputError: it is outside 0 to 4294967295.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}: give 0 to {2**32 - 1}.")


class Chunk(NamedTuple):
    """A trained and observed chunk.

    Attributes:
        models: their numbers in the run.
        variables: what they learnt, on the devices; every leaf leads with ``model``.
        signals: name -> ["model record query"], on the host.
        train_seconds: from the dispatch until the variables were ready.
        observe_seconds: from then until the signals were on the host.
    """

    models: Int[np.ndarray, "model"]
    variables: Variables
    signals: dict[str, Float[np.ndarray, "model record query"]]
    train_seconds: float
    observe_seconds: float


def memberships(member: Bool[np.ndarray, "model record"], slots: int) -> Membership:
    """Each model's members as indices, padded to ``slots`` by repeating members at weight 0.

    Raises:
        InputError: a model without members, or with more than ``slots``.
    """
    counts = member.sum(axis=1)
    if counts.min() < 1 or counts.max() > slots:
        raise InputError(
            f"the models have {counts.min()} to {counts.max()} members: give each at least 1 and at most {slots}."
        )
    index = np.stack([np.resize(np.flatnonzero(row), slots) for row in member]).astype(np.int32)
    weight = (np.arange(slots) < counts[:, None]).astype(np.float32)
    return Membership(index, weight)


@cache
def device_mesh() -> Mesh:
    """All local devices on one axis, "model"."""
    return Mesh(np.array(jax.local_devices()), ("model",))


def _mapped(function: Any, mesh: Mesh, group: int) -> Any:
    """``function(leading, *shared)`` over the leading axis of its first argument: devices, then groups, then vmap."""

    def share(leading, *shared):
        return jax.lax.map(lambda one: function(one, *shared), leading, batch_size=group)

    def over_devices(leading, *shared):
        specs = (MODEL, *(EVERYWHERE for _ in shared))
        return jax.shard_map(share, mesh=mesh, in_specs=specs, out_specs=MODEL, check_vma=False)(leading, *shared)

    return jax.jit(over_devices)


class Program(NamedTuple):
    """A chunk's two compiled functions, and the memory that the larger one needs."""

    train: Any
    observe: Any
    bytes_per_device: int


@lru_cache(maxsize=16)
def _compile(
    sweep: Sweep,
    mesh: Mesh,
    chunk: int,
    group: int,
    slots: int,
    block: int,
    x: jax.ShapeDtypeStruct,
    y: jax.ShapeDtypeStruct,
) -> Program:
    shaped = lambda shape, dtype: jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, MODEL))  # noqa: E731
    keys = shaped((chunk,), jax.eval_shape(lambda: jax.random.key(0)).dtype)
    member = Membership(shaped((chunk, slots), jnp.int32), shaped((chunk, slots), jnp.float32))

    def train_one(model, x, y):
        key, member = model
        return train(sweep.model, sweep.recipe, x, y, key, member)

    def observe_one(variables, x, y):
        return observe(sweep.model, sweep.signals, sweep.queries, block, x, y, variables)

    trained = _mapped(train_one, mesh, group).lower((keys, member), x, y).compile()
    variables = jax.tree.map(
        lambda leaf: shaped(leaf.shape, leaf.dtype), jax.eval_shape(jax.vmap(sweep.model.init), keys)
    )
    observed = _mapped(observe_one, mesh, group).lower(variables, x, y).compile()
    needs = [c.memory_analysis() for c in (trained, observed)]
    most = max(need.temp_size_in_bytes + need.output_size_in_bytes + need.argument_size_in_bytes for need in needs)
    return Program(trained, observed, int(most))


def free_bytes(mesh: Mesh) -> int:
    """Memory that one more program may use on each device of the mesh."""
    devices = mesh.devices.ravel()
    if devices[0].platform == "cpu":
        return psutil.virtual_memory().available // len(devices)
    stats = [device.memory_stats() or {} for device in devices]
    return min(s.get("bytes_limit", 2**33) - s.get("bytes_in_use", 0) for s in stats)


class Engine:
    """A sweep made ready to run on this machine's devices: compiled, with the records in place.

    Attributes:
        chunk: models a call of `run` handles.
        group: models a device handles at the same time.
        compile_seconds: what tracing and compiling took, 0 when the programs were found again.
        bytes_per_device: what the larger program needs.
    """

    def __init__(self, sweep: Sweep, dataset: Dataset, *, models: int, slots: int, placement: Placement = Placement()):
        check_views(sweep.recipe, sweep.queries, dataset)
        self.sweep, self.slots, self.records = sweep, slots, len(dataset)
        self.mesh = device_mesh()
        x, y, self.block = in_blocks(dataset)
        everywhere = NamedSharding(self.mesh, EVERYWHERE)
        self._x, self._y = jax.device_put(x, everywhere), jax.device_put(y, everywhere)
        self._key = jax.random.key(sweep.seed)
        self._fit(models, placement)

    def _fit(self, models: int, placement: Placement) -> None:
        """Compile, and halve the group or the chunk until the program fits into free memory."""
        devices = self.mesh.size
        accelerator = self.mesh.devices.flat[0].platform != "cpu"
        share = -(-models // devices)
        per_device = -(-placement.chunk // devices) if placement.chunk else -(-share // 16)
        group = placement.vmap or (64 if accelerator else 1 if _convolves(self.sweep.model) else 2)
        group = min(group, share, per_device if placement.chunk and not placement.vmap else share)
        room = 0.8 * free_bytes(self.mesh)
        begin, compiled = time.perf_counter(), 0
        while True:
            self.chunk = devices * group * -(-per_device // group)
            misses = _compile.cache_info().misses
            program = _compile(
                replace(self.sweep, seed=0),
                self.mesh,
                self.chunk,
                group,
                self.slots,
                self.block,
                _aval(self._x),
                _aval(self._y),
            )
            compiled += _compile.cache_info().misses - misses
            if program.bytes_per_device <= room or self.chunk == devices * (group if placement.vmap else 1):
                break
            if group > 1 and not placement.vmap:
                group //= 2
            per_device = max(self.chunk // devices // 2, 1)
        self.group, self.program = group, program
        self.bytes_per_device = program.bytes_per_device
        self.compile_seconds = time.perf_counter() - begin if compiled else 0.0

    def run(self, models: Sequence[int], member: Bool[np.ndarray, "model record"]) -> Chunk:
        """Train and observe some models of the run.

        Args:
            models: their numbers, at most ``chunk`` of them.
            member: their rows of the member matrix.

        Returns:
            The chunk. Fewer models than ``chunk`` run the same program and its spare places are dropped.

        Raises:
            InputError: the training of a model diverged.
        """
        count = len(models)
        padded = np.resize(np.asarray(models, np.uint32), self.chunk)
        over_models = NamedSharding(self.mesh, MODEL)
        keys = jax.device_put(jax.vmap(lambda i: jax.random.fold_in(self._key, i))(padded), over_models)
        rows = memberships(np.resize(member, (self.chunk, member.shape[1])), self.slots)
        begin = time.perf_counter()
        variables = _finish(self.program.train((keys, jax.device_put(rows, over_models)), self._x, self._y))
        trained = time.perf_counter()
        answers = _finish(self.program.observe(variables, self._x, self._y))
        signals = {name: np.asarray(value)[:count, : self.records] for name, value in answers.items()}
        require_converged(signals["phi"], models)
        kept = variables if count == self.chunk else jax.tree.map(lambda leaf: leaf[:count], variables)
        return Chunk(padded[:count].astype(np.int64), kept, signals, trained - begin, time.perf_counter() - trained)

    def run_all(self, models: Sequence[int], member: Bool[np.ndarray, "model record"]) -> Iterator[Chunk]:
        """The same for any number of models, a chunk at a time.

        Args:
            models: their numbers.
            member: the whole member matrix; a model's number is its row.
        """
        for first in range(0, len(models), self.chunk):
            some = list(models[first : first + self.chunk])
            yield self.run(some, member[some])


def _aval(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)


@cache
def _convolves(model: Model) -> bool:
    """Whether any parameter is a convolution kernel."""
    variables = jax.eval_shape(model.init, jax.random.key(0))
    return any(leaf.ndim >= 4 for leaf in jax.tree.leaves(variables.params))


def _finish(tree: Any) -> Any:
    """Wait for the devices in small sleeps: a wait inside the runtime would hold back Ctrl-C until it ends."""
    leaves = jax.tree.leaves(tree)
    while not all(leaf.is_ready() for leaf in leaves):
        time.sleep(0.002)
    return jax.block_until_ready(tree)


def train_ensemble(
    model: Model,
    recipe: Recipe,
    dataset: Dataset,
    member: Bool[np.ndarray, "model record"],
    *,
    seed: int = 0,
    queries: Queries = Queries(),
    signals: Sequence[str] = (),
    placement: Placement = Placement(),
) -> tuple[Ensemble, Observations]:
    """Train a model for each row of the member matrix and observe them all, in memory.

    A run that must survive a kill goes through `jaxattack.audit.membership` and its run folder instead.

    Args:
        model: the architecture.
        recipe: how each is trained.
        dataset: the records.
        member: who is in.
        seed: the run's key.
        queries: the views that each is asked about.
        signals: what is kept beside ``phi`` and ``correct``.
        placement: how the work is cut.

    Returns:
        The models and what they say.
    """
    sweep = Sweep(model=model, recipe=recipe, queries=queries, signals=tuple(signals), seed=seed)
    slots = int(member.sum(axis=1).max())
    engine = Engine(sweep, dataset, models=len(member), slots=slots, placement=placement)
    chunks = list(engine.run_all(range(len(member)), member))
    variables = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(chunk.variables for chunk in chunks))
    observed = {name: np.concatenate([chunk.signals[name] for chunk in chunks]) for name in engine.sweep.signals}
    return Ensemble(variables, member), Observations(signals=observed, member=member, label=dataset.y)
