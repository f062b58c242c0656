"""The two programs of a chunk, one that trains its models and one that observes them, compiled once and found again.

A chunk's models are split over the devices of a mesh on the axis "model"; a device goes through its share with
`jax.lax.map`, a few models vmapped at a time. The records lie on every device once and each model holds indices into them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from jax.errors import JaxRuntimeError
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxattack.models import fitted, in_precision, standardised
from jaxattack.models.conv import Form, using
from jaxattack.signals import as_signal
from jaxattack.training.images import Queries
from jaxattack.training.learners import Standard
from jaxattack.training.program_cache import program_cache
from jaxattack.training.single import observe, with_reserve
from jaxattack.types import Defence, Learner, Membership, Model, Signal, deployed_model

MODEL, EVERYWHERE = PartitionSpec("model"), PartitionSpec()


class Work(NamedTuple):
    """What is done to each model.

    Attributes:
        model: the architecture, before `jaxattack.models.in_precision`.
        learner: how each learns.
        queries: the views that each is asked about.
        signals: what is kept of the answers.
        slots: members that each model has room for.
        classes: that a model answers with.
        columns: of a table, which each model puts on the scale of its members; none where empty.
        defences: before its answers.
        reserve: how many of the last records are the defender's and members of no model.
    """

    model: Model
    learner: Learner
    queries: Queries
    signals: tuple[str | Signal, ...]
    slots: int
    classes: int
    columns: tuple[bool, ...] = ()
    defences: tuple[Defence, ...] = ()
    reserve: int = 0


class Way(NamedTuple):
    """How a device goes through its share of a chunk.

    Attributes:
        conv: how convolutions are computed.
        group: models at the same time.
        block: records that a model is asked about at once.
    """

    conv: Form
    group: int
    block: int


class Program(NamedTuple):
    """A chunk's two compiled functions, and the memory that the larger one needs beside the chunk before.

    Attributes:
        train: ((keys["model"], Membership["model ..."]), x, y) -> Variables["model ..."].
        observe: ((keys["model"], Membership["model ..."], Variables["model ..."]), x, y) -> {signal: Float["model record query"]}.
        bytes_per_device: arguments, results and temporaries, and the results of the chunk before.
    """

    train: Any
    observe: Any
    bytes_per_device: int


@cache
def device_mesh() -> Mesh:
    """All local devices on one axis, "model"."""
    return Mesh(np.array(jax.local_devices()), ("model",))


def on_cpu(mesh: Mesh) -> bool:
    """Whether its devices are processors."""
    return mesh.devices.flat[0].platform == "cpu"


def free_bytes(mesh: Mesh) -> int:
    """Memory that one more program may use on each device of the mesh."""
    devices = mesh.devices.ravel()
    if on_cpu(mesh):
        return psutil.virtual_memory().available // len(devices)
    stats = [device.memory_stats() or {} for device in devices]
    return min(s.get("bytes_limit", 2**33) - s.get("bytes_in_use", 0) for s in stats)


def aval(x: jax.Array) -> jax.ShapeDtypeStruct:
    """Shape, dtype and placement of an array."""
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)


def mapped(function: Any, mesh: Mesh, group: int) -> Any:
    """``function(leading, *shared)`` over the leading axis of its first argument: devices, then groups, then vmap."""

    def share(leading, *shared):
        return jax.lax.map(lambda one: function(one, *shared), leading, batch_size=group)

    def over_devices(leading, *shared):
        specs = (MODEL, *(EVERYWHERE for _ in shared))
        return jax.shard_map(share, mesh=mesh, in_specs=specs, out_specs=MODEL, check_vma=False)(leading, *shared)

    return jax.jit(over_devices)


@cache
def fixed_kernels(mesh: Mesh) -> dict[str, str | bool]:
    """Compiler options with which a model's numbers do not depend on how many others are handled beside it.

    XLA's CPU backend hands sums and products over to a library (YNNPACK) from a size on, which counts all models of a
    group; its own kernels add in another order. The difference, one unit in the last place, grows while networks train.
    With convolutions alone handed over, whatever their size, every group adds in the same order, but for long products that
    XLA splits among threads (`jaxattack.training.placement.Placement`). It costs a sixth of the training of a small CNN
    (9.4 ms a step for 8.0, of cnn:16-32 on CIFAR-10: sums over records) and nothing of a dense network's; asking is a fifth
    faster. Elsewhere, and where XLA does not know the option, there are none.
    """
    options: dict[str, str | bool] = {
        "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION"
    }
    if not on_cpu(mesh):
        return {}
    try:
        jax.jit(jnp.negative).lower(1.0).compile(options)
    except JaxRuntimeError:
        return {}
    return options


def network(work: Work) -> Model:
    """What is asked: what the learner deploys of `architecture`."""
    return deployed_model(work.learner, architecture(work), work.classes)


def architecture(work: Work) -> Model:
    """What is trained, in its precision, on its own scale where columns are given."""
    model = in_precision(work.model, work.learner.recipe.precision)
    return standardised(model, len(work.columns)) if work.columns else model


@cache
def convolves(model: Model) -> bool:
    """Whether any parameter is a convolution kernel."""
    variables = jax.eval_shape(model.init, jax.random.key(0))
    return any(leaf.ndim >= 4 for leaf in jax.tree.leaves(variables.params))


def models_at_once(work: Work, group: int, models: int) -> int:
    """How many models a device asks at the same time, of so many.

    What a signal draws is the same for every model, and models that are asked at the same time share it. Where one asks more
    than once, drawing takes longer than a dense network takes to answer: all of them. The distance to the boundary of 16
    networks mlp:64 of 64 features takes 1.6 times the processor's time in pairs, and 3.7 times one at a time.

    Args:
        work: what is asked.
        group: models that are trained at the same time, and asked so otherwise.
        models: of the device.
    """
    several = any(as_signal(signal).queries > 1 for signal in work.signals)
    return models if several and not convolves(work.model) else group


@program_cache(16)
def compiled(work: Work, mesh: Mesh, chunk: int, way: Way, x: jax.ShapeDtypeStruct, y: jax.ShapeDtypeStruct) -> Program:
    """The programs for chunks of so many models, on records of these shapes.

    Training is compiled once for all signals and defences that its models are asked about, and asking once for all learners
    that deploy the same network.
    """
    return both_programs(_training, _observation, work, mesh, chunk, way, x, y)


def both_programs(
    train: Callable[..., Any],
    ask: Callable[..., Any],
    work: Work,
    mesh: Mesh,
    chunk: int,
    way: Way,
    x: jax.ShapeDtypeStruct,
    y: jax.ShapeDtypeStruct,
) -> Program:
    """As `compiled`, by `compile_training` and `compile_observation` or what keeps their results."""
    untold = work._replace(queries=Queries(), signals=(), classes=0, defences=())
    training = train(untold, mesh, chunk, way._replace(block=0), x, y)
    inference = work._replace(model=network(work), learner=Standard(), classes=0, columns=())
    together = models_at_once(work, way.group, chunk // mesh.size)
    observation = ask(inference, mesh, chunk, way._replace(group=together), x, y)
    needs = [program.memory_analysis() for program in (training, observation)]
    most = max(need.temp_size_in_bytes + need.output_size_in_bytes + need.argument_size_in_bytes for need in needs)
    # What the chunk before has learnt and answered is still there while it is brought to the host.
    before = sum(need.output_size_in_bytes for need in needs)
    return Program(training, observation, int(most + before))


def compilations() -> int:
    """How many programs this process has compiled."""
    return _training.cache_info().misses + _observation.cache_info().misses


def _leading(work: Work, mesh: Mesh, chunk: int) -> Any:
    """Of each model of a chunk, its key and its members; and what makes such a shape for another leaf of it."""
    spec = lambda shape, dtype: jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, MODEL))  # noqa: E731
    keys = spec((chunk,), jax.eval_shape(lambda: jax.random.key(0)).dtype)
    return keys, Membership(spec((chunk, work.slots), jnp.int32), spec((chunk, work.slots), jnp.float32)), spec


def compile_training(
    work: Work, mesh: Mesh, chunk: int, way: Way, x: jax.ShapeDtypeStruct, y: jax.ShapeDtypeStruct
) -> Any:
    """The program that trains."""
    start = architecture(work)
    keys, member, _ = _leading(work, mesh, chunk)

    def train_one(one, x, y):
        key, member = one
        member = with_reserve(member, len(y), work.reserve)
        own = fitted(start, work.columns, x, member) if work.columns else start
        return work.learner(own, x, y, member, key)

    with using(way.conv):
        return mapped(train_one, mesh, way.group).lower((keys, member), x, y).compile(fixed_kernels(mesh))


def compile_observation(
    work: Work, mesh: Mesh, chunk: int, way: Way, x: jax.ShapeDtypeStruct, y: jax.ShapeDtypeStruct
) -> Any:
    """The program that asks what is deployed, the model of the work."""
    keys, member, spec = _leading(work, mesh, chunk)

    def observe_one(one, x, y):
        key, member, variables = one
        member = with_reserve(member, len(y), work.reserve)
        return observe(work.model, work.signals, work.queries, way.block, x, y, variables, work.defences, key, member)

    with using(way.conv):
        shapes = jax.eval_shape(jax.vmap(work.model.init), keys)
        variables = jax.tree.map(lambda leaf: spec(leaf.shape, leaf.dtype), shapes)
        lowered = mapped(observe_one, mesh, way.group).lower((keys, member, variables), x, y)
        return lowered.compile(fixed_kernels(mesh))


_training, _observation = program_cache(16)(compile_training), program_cache(16)(compile_observation)
