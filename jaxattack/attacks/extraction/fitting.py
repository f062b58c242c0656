"""Many substitutes trained by one program.

The models of a sweep hold indices into one array of encoded queries and of targets. They are spread over the
devices; a device handles one at a time on a CPU and many on an accelerator. A model depends on its own seed, queries
and answers alone, but for rounding: not on the others, nor on the order or the number of devices.

The engine of `jaxattack.training` trains on labels, with equally many members or padded ones. Here answers may be
confidences, the convex models are solved rather than trained, and each network takes steps by the number of its own
queries, so that a sweep over budgets gives what each budget would have given alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float, Int

from jaxattack.attacks.extraction import rbf
from jaxattack.attacks.extraction.substitute import (
    FEWEST,
    Stolen,
    Substitute,
    encoding,
    network,
    on_queries,
)
from jaxattack.attacks.search.minimise import minimise
from jaxattack.models.batches import pad_batch
from jaxattack.training.ensemble import device_mesh
from jaxattack.training.single import Membership
from jaxattack.training.steps import Training, train
from jaxattack.types import Inputs, Model, Variables

GAMMAS = tuple(2.0**power for power in range(-2, 6))
"""Widths that ``rbf`` tries, each divided by the number of encoded features."""

LATE = "late loss"
"""What a network's loss adds up to over the last tenth of its steps, by which the best start is told."""

HELD_OUT, JUDGED = 4, 150
"""One query in so many judges the widths, of kernels on at most so many landmarks."""

PASSES = {"softmax": 1000, "again": 300, "rbf": 300, "width": 100}
"""Where a convex fit stops at the latest, ``again`` a softmax that starts from the one of fewer queries. More change an
``rbf``'s labels little, and a width's rank among others less."""

GROUP = 64
"""Models that an accelerator trains at a time; a CPU device trains one."""


def fit(
    substitute: Substitute,
    inputs: Inputs,
    x: Float[np.ndarray, "row *feature"],
    target: Float[np.ndarray, "row cls"],
    members: Sequence[Int[np.ndarray, "_member"]],
    seeds: Sequence[int],
    before: Sequence[Stolen | None] = (),
) -> list[Stolen]:
    """Train a substitute on each set of rows.

    Args:
        substitute: what is trained.
        inputs: of the service.
        x: queries.
        target: what each was answered, as distributions.
        members: the rows of each model; at least one.
        seeds: of each model.
        before: what was fitted to fewer rows of each model, where there is such. A softmax regression starts from it, which
            does not change the optimum but comes nearer to it in as many passes; all others are trained from scratch.

    Returns:
        The models, in the order of their rows.
    """
    coding = encoding(inputs)
    rows = Rows(pad_batch(coding(x), FEWEST), pad_batch(target, FEWEST))
    parameters = _FAMILIES.get(substitute.family, _networks)(substitute, rows, _memberships(members), seeds, before)
    model = on_queries(network(substitute, coding.shape, target.shape[1]), inputs.shape, coding.categories)
    dtype = next(iter(parameters.values())).dtype
    fixed = {"center": coding.center.astype(dtype), "scale": coding.scale.astype(dtype)}
    return [Stolen(model, fixed | {name: value[i] for name, value in parameters.items()}) for i in range(len(members))]


class Rows(NamedTuple):
    """Encoded queries and their targets, shared by all models."""

    x: Any
    target: Any


def _memberships(members: Sequence[np.ndarray]) -> Membership:
    slots = max(len(pad_batch(rows, FEWEST)) for rows in members)
    index = np.stack([np.resize(rows, slots) for rows in members]).astype(np.int32)
    weight = np.stack([(np.arange(slots) < len(rows)).astype(np.float64) for rows in members])
    return Membership(index, weight)


def _over_models(one: Any) -> Any:
    """``one(leading, rows)`` for every entry of the leading axis: a chunk at a time, over devices and in groups on each."""

    @cache
    def program(mesh: Mesh):
        split, copies = PartitionSpec("model"), PartitionSpec()
        share = jax.vmap(one, in_axes=(0, None))
        return jax.jit(jax.shard_map(share, mesh=mesh, in_specs=(split, copies), out_specs=split, check_vma=False))

    def run(leading, rows):
        count = len(jax.tree.leaves(leading)[0])
        mesh = device_mesh() if count >= device_mesh().size else _one_device()
        accelerator = mesh.devices.flat[0].platform != "cpu"
        group = min(GROUP, 1 << (-(-count // mesh.size) - 1).bit_length()) if accelerator else 1
        rows = jax.device_put(rows, NamedSharding(mesh, PartitionSpec()))
        chunks = []
        for first in range(0, count, group * mesh.size):
            at = np.minimum(np.arange(first, first + group * mesh.size), count - 1)
            chunk = program(mesh)(jax.tree.map(lambda leaf, at=at: leaf[at], leading), rows)
            chunks.append(jax.tree.map(np.asarray, chunk))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *chunks)

    return run


@cache
def _one_device() -> Mesh:
    return Mesh(np.array(jax.local_devices()[:1]), ("model",))


def _networks(
    substitute: Substitute, rows: Rows, member: Membership, seeds: Sequence[int], _before: Any
) -> dict[str, np.ndarray]:
    model = network(substitute, rows.x.shape[1:], rows.target.shape[1])
    count = member.weight.sum(axis=1).astype(np.int32)
    steps = substitute.epochs * -(-count // substitute.batch)
    rows = Rows(rows.x.astype(np.float32), rows.target.astype(np.float32))
    seed, start = (part.ravel() for part in np.meshgrid(seeds, np.arange(substitute.starts), indexing="ij"))
    each = [np.repeat(part, substitute.starts, axis=0) for part in (member.index, count, steps)]
    parameters = _network_program(model, substitute)((seed.astype(np.uint32), start.astype(np.uint32), *each), rows)
    late = parameters.pop(LATE).reshape(-1, substitute.starts)
    best = np.arange(len(seeds)) * substitute.starts + late.argmin(axis=1)
    return {name: value[best] for name, value in parameters.items()}


@cache
def _network_program(model: Model, substitute: Substitute) -> Any:
    def one(mine, rows):
        seed, start, index, count, steps = mine
        key = jax.random.fold_in(jax.random.key(seed), start)
        length = jnp.float32(steps)
        adam = optax.adam(lambda at: substitute.learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.float32(at) / length)))

        def loss(parameters, number):
            # With replacement: a pass over so many rows as this model has, in a program that knows only the most.
            pick = index[jax.random.randint(jax.random.fold_in(key, number), (substitute.batch,), 0, count)]
            squares = sum(jnp.sum(leaf**2) for leaf in parameters.values())
            logits = model.apply(Variables(parameters, {}), rows.x[pick])
            return optax.softmax_cross_entropy(logits, rows.target[pick]).mean() + 0.5 * substitute.ridge * squares

        first = model.init(jax.random.fold_in(key, 2**32 - 1)).params
        begin = Training(first, adam.init(first))
        end = train(
            loss, adam, begin, steps, weight=lambda number: jnp.where(jnp.float32(number) >= 0.9 * length, 1.0, 0.0)
        )
        return end.parameters | {LATE: end.loss}

    return _over_models(one)


def multinomial(
    feature: Float[jax.Array, "row feature"],
    target: Float[jax.Array, "row cls"],
    weight: Float[jax.Array, "row"],
    ridge: float,
    passes: int | Int[jax.Array, ""],
    start: Float[jax.Array, "feature+1 cls"],
) -> Float[jax.Array, "feature+1 cls"]:
    """Weights, the intercept last, of the least cross entropy with a ridge on all but the intercept.

    Args:
        feature: of each row.
        target: distributions over the classes.
        weight: of each row.
        ridge: times half the squared weights, beside the mean loss of a row.
        passes: evaluations at most.
        start: weights to start from.
    """
    share = weight / jnp.maximum(jnp.sum(weight), 1.0)

    def loss(flat):
        both = flat.reshape(start.shape)
        logit = feature @ both[:-1] + both[-1:]
        entropy = jax.nn.logsumexp(logit, axis=1) - jnp.sum(logit * target, axis=1)
        return jnp.sum(entropy * share) + 0.5 * ridge * jnp.sum(both[:-1] ** 2)

    return minimise(loss, start.ravel(), passes).reshape(start.shape)


def _softmaxes(
    substitute: Substitute, rows: Rows, member: Membership, seeds: Sequence[int], before: Sequence[Stolen | None]
) -> dict[str, np.ndarray]:
    flat = Rows(rows.x.reshape(len(rows.x), -1), rows.target)
    start = np.zeros((len(seeds), flat.x.shape[1] + 1, flat.target.shape[1]))
    passes = np.full(len(seeds), PASSES["softmax"], np.int32)
    for place, one in enumerate(before):
        if one is not None:
            start[place, :-1], start[place, -1] = one.parameters["layers.0.kernel"], one.parameters["layers.0.bias"]
            passes[place] = PASSES["again"]
    with jax.enable_x64(True):
        return _softmax_program(substitute.ridge)((member, start, passes), flat)


@cache
def _softmax_program(ridge: float) -> Any:
    def one(mine, rows):
        member, start, passes = mine
        x, target = rows.x[member.index], rows.target[member.index]
        weight = multinomial(x, target, member.weight, ridge, passes, start)
        return {"layers.0.kernel": weight[:-1], "layers.0.bias": weight[-1]}

    return _over_models(one)


def _kernels(
    substitute: Substitute, rows: Rows, member: Membership, seeds: Sequence[int], _before: Any
) -> dict[str, np.ndarray]:
    flat = Rows(rows.x.reshape(len(rows.x), -1), rows.target)
    counts = member.weight.sum(axis=1).astype(int)
    size = min(substitute.landmarks, int(counts.max()))
    landmarks = [
        np.resize(np.random.default_rng(seed).permutation(n), size) for seed, n in zip(seeds, counts, strict=True)
    ]
    landmark = flat.x[np.take_along_axis(member.index, np.stack(landmarks), axis=1)]
    widths = np.array(GAMMAS) / flat.x.shape[1]
    validation = (np.arange(member.weight.shape[1]) % HELD_OUT == HELD_OUT - 1) & (member.weight > 0)
    few = landmark[:, :JUDGED]
    tries = [
        np.repeat(part, len(widths), axis=0) for part in (member.index, member.weight * ~validation, validation, few)
    ]
    with jax.enable_x64(True):
        index, weight, judge, centre = tries
        width = np.tile(widths, len(counts))
        losses = _kernel_program(substitute.ridge, PASSES["width"])(
            (Membership(index, weight), judge, centre, width), flat
        )
        best = losses["wrong"].reshape(len(counts), -1).argmin(axis=1)
        parameters = _kernel_program(substitute.ridge, PASSES["rbf"])(
            (member, validation, landmark, widths[best]), flat
        )
    return {name: value for name, value in parameters.items() if name != "wrong"}


@cache
def _kernel_program(ridge: float, passes: int) -> Any:
    def one(mine, rows):
        member, judge, landmark, gamma = mine
        x, target = rows.x[member.index], rows.target[member.index]
        feature, factor = rbf.whiten(x, landmark, gamma)
        none = jnp.zeros((feature.shape[1] + 1, target.shape[1]), feature.dtype)
        weight = multinomial(feature, target, member.weight, ridge, passes, none)
        answer = feature @ weight[:-1] + weight[-1:]
        wrong = jnp.sum(judge * (answer.argmax(axis=1) != target.argmax(axis=1)))
        coefficient = rbf.coefficients(factor, weight[:-1])
        return {"landmark": landmark, "gamma": gamma, "coefficient": coefficient, "bias": weight[-1], "wrong": wrong}

    return _over_models(one)


_FAMILIES = {"softmax": _softmaxes, "rbf": _kernels}
