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
from jax.sharding import Mesh
from jaxtyping import Float, Int

from jaxattack.attacks.extraction import rbf
from jaxattack.attacks.extraction.substitute import FEWEST, Stolen, Substitute, encoding, network, on_queries
from jaxattack.attacks.search.minimise import minimise
from jaxattack.descent import descend
from jaxattack.models.batches import pad_batch
from jaxattack.training.program import device_mesh, mapped, on_cpu
from jaxattack.training.single import Membership
from jaxattack.types import Inputs, Model, Variables

GAMMAS = tuple(2.0**power for power in range(-2, 6))
"""Widths that ``rbf`` tries, each divided by the number of encoded features."""

HELD_OUT, JUDGED = 4, 150
"""One query in so many judges the widths, of kernels on at most so many landmarks."""

PASSES = {"softmax": 1000, "rbf": 300, "width": 100}
"""Where a convex fit stops at the latest. More change an ``rbf``'s labels little, and a width's rank among others less."""

GROUP = 64
"""Models that an accelerator trains at a time; a CPU device trains one."""


class Rows(NamedTuple):
    """Encoded queries and their targets, shared by all models."""

    x: Any
    target: Any


def fit(
    substitute: Substitute,
    inputs: Inputs,
    x: Float[np.ndarray, "row *feature"],
    target: Float[np.ndarray, "row cls"],
    members: Sequence[Int[np.ndarray, "_member"]],
    seeds: Sequence[int],
) -> list[Stolen]:
    """Train a substitute on each set of rows.

    Args:
        substitute: what is trained.
        inputs: of the service.
        x: queries.
        target: what each was answered, as distributions.
        members: the rows of each model; at least one.
        seeds: of each model.

    Returns:
        The models, in the order of their rows.
    """
    coding = encoding(inputs)
    rows = Rows(pad_batch(coding(x), FEWEST), pad_batch(target, FEWEST))
    slots = max(len(pad_batch(own, FEWEST)) for own in members)
    count = np.array([len(own) for own in members])
    index = np.stack([np.resize(own, slots) for own in members]).astype(np.int32)
    weight = (np.arange(slots) < count[:, None]).astype(np.float64)
    learn = {"softmax": _softmaxes, "rbf": _kernels}.get(substitute.family, _networks)
    parameters = learn(substitute, rows, Membership(index, weight), count, seeds)
    model = on_queries(network(substitute, coding.shape, target.shape[1]), inputs.shape, coding.categories)
    dtype = next(iter(parameters.values())).dtype
    fixed = {"center": coding.center.astype(dtype), "scale": coding.scale.astype(dtype)}
    return [Stolen(model, fixed | {name: value[i] for name, value in parameters.items()}) for i in range(len(members))]


def _over_models(one: Any) -> Any:
    """``one(leading, rows)`` for every entry of the leading axis, on as many devices as there are entries for."""

    @cache
    def program(mesh: Mesh) -> Any:
        return mapped(one, mesh, 1 if on_cpu(mesh) else GROUP)

    def run(leading: Any, rows: Rows) -> dict[str, np.ndarray]:
        count = len(jax.tree.leaves(leading)[0])
        mesh = Mesh(device_mesh().devices[:count], ("model",))
        slots = np.arange(-(-count // mesh.size) * mesh.size) % count
        each = program(mesh)(jax.tree.map(lambda leaf: leaf[slots], leading), rows)
        return {name: np.asarray(value)[:count] for name, value in each.items()}

    return run


def _networks(
    substitute: Substitute, rows: Rows, member: Membership, count: np.ndarray, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    model = network(substitute, rows.x.shape[1:], rows.target.shape[1])
    steps = substitute.epochs * -(-count // substitute.batch)
    rows = Rows(rows.x.astype(np.float32), rows.target.astype(np.float32))
    each = np.asarray(seeds, np.uint32), member.index, count.astype(np.int32), steps.astype(np.int32)
    return _network_program(model, substitute)(each, rows)


@cache
def _network_program(model: Model, substitute: Substitute) -> Any:
    def one(mine, rows):
        seed, index, count, steps = mine
        key, length = jax.random.fold_in(jax.random.key(seed), 0), jnp.float32(steps)
        adam = optax.adam(lambda at: substitute.learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.float32(at) / length)))

        def loss(parameters, number):
            # With replacement: a pass over so many rows as this model has, in a program that knows only the most.
            pick = index[jax.random.randint(jax.random.fold_in(key, number), (substitute.batch,), 0, count)]
            squares = sum(jnp.sum(leaf**2) for leaf in parameters.values())
            logits = model.apply(Variables(parameters, {}), rows.x[pick])
            return optax.softmax_cross_entropy(logits, rows.target[pick]).mean() + 0.5 * substitute.ridge * squares

        first = model.init(jax.random.fold_in(key, 2**32 - 1)).params
        return descend(loss, adam, first, steps).point

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
    substitute: Substitute, rows: Rows, member: Membership, _count: np.ndarray, _seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        return _softmax_program(substitute.ridge)(member, Rows(rows.x.reshape(len(rows.x), -1), rows.target))


@cache
def _softmax_program(ridge: float) -> Any:
    def one(member, rows):
        x, target = rows.x[member.index], rows.target[member.index]
        none = jnp.zeros((x.shape[1] + 1, target.shape[1]), x.dtype)
        weight = multinomial(x, target, member.weight, ridge, PASSES["softmax"], none)
        return {"layers.0.kernel": weight[:-1], "layers.0.bias": weight[-1]}

    return _over_models(one)


def _kernels(
    substitute: Substitute, rows: Rows, member: Membership, count: np.ndarray, seeds: Sequence[int]
) -> dict[str, np.ndarray]:
    """Each with the width that labels most of the held-out queries right, fitted to all."""
    rows = Rows(rows.x.reshape(len(rows.x), -1), rows.target)
    size = min(substitute.landmarks, int(count.max()))
    orders = [np.random.default_rng(seed).permutation(n) for seed, n in zip(seeds, count, strict=True)]
    first = np.stack([np.resize(order, size) for order in orders])
    landmark = rows.x[np.take_along_axis(member.index, first, axis=1)]
    judge = (np.arange(member.weight.shape[1]) % HELD_OUT == HELD_OUT - 1) & (member.weight > 0)
    width = np.array(GAMMAS) / rows.x.shape[1]
    tries = [
        np.repeat(part, len(width), axis=0)
        for part in (member.index, member.weight * ~judge, judge, landmark[:, :JUDGED])
    ]
    with jax.enable_x64(True):
        right = _kernel_program(substitute.ridge, PASSES["width"])((*tries, np.tile(width, len(count))), rows)["right"]
        best = width[right.reshape(len(count), len(width)).argmax(axis=1)]
        each = member.index, member.weight, judge, landmark, best
        fits = _kernel_program(substitute.ridge, PASSES["rbf"])(each, rows)
    return {name: value for name, value in fits.items() if name != "right"}


@cache
def _kernel_program(ridge: float, passes: int) -> Any:
    def one(mine, rows):
        index, weight, judge, landmark, gamma = mine
        x, target = rows.x[index], rows.target[index]
        feature, factor = rbf.whiten(x, landmark, gamma)
        none = jnp.zeros((feature.shape[1] + 1, target.shape[1]), feature.dtype)
        both = multinomial(feature, target, weight, ridge, passes, none)
        label = (feature @ both[:-1] + both[-1:]).argmax(axis=1)
        coefficient, right = rbf.coefficients(factor, both[:-1]), jnp.sum(judge & (label == target.argmax(axis=1)))
        return {"landmark": landmark, "gamma": gamma, "coefficient": coefficient, "bias": both[-1], "right": right}

    return _over_models(one)
