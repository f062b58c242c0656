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
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Float, Int

from jaxattack.attacks.extraction import rbf
from jaxattack.attacks.extraction.substitute import FEWEST, Stolen, Substitute, encoding, network, on_queries
from jaxattack.attacks.search.minimise import minimise
from jaxattack.descent import descend
from jaxattack.models.batches import pad_batch
from jaxattack.training.program import EVERYWHERE, device_mesh, mapped, on_cpu
from jaxattack.types import Inputs, Model, Variables

GAMMAS = tuple(2.0**power for power in range(-2, 6))
"""Widths that ``rbf`` tries, each divided by the number of encoded features. Of 18 support vector machines and networks on three tables, labels
of 94.6% of other records are the substitute's; with every other width 94.5%, and with two more at either end 94.6%."""

HELD_OUT, JUDGED = 4, 150
"""One query in so many judges the widths, of kernels on at most so many landmarks. Of the 18 one in two 94.5%, in eight 94.6%; half
the landmarks 94.5%."""

PASSES, TRIAL = 1000, 100
"""Evaluations at which a convex fit stops at the latest, and one that judges a width. From 300 on no label of the 20 fits of `minimise`
changes; half of the second, 94.4% of the 18."""

GROUP = 64
"""Models that an accelerator trains at a time; a CPU device trains one. No result depends on it."""


class Members(NamedTuple):
    """The rows of each model as indices, padded at weight 0 by repeating them; how many they are; and the model's seed."""

    index: Any
    weight: Any
    count: Any
    seed: Any


def fit(
    substitute: Substitute,
    inputs: Inputs,
    x: Float[np.ndarray, "row *feature"],
    target: Float[np.ndarray, "row cls"],
    members: Sequence[Int[np.ndarray, "_member"]],
    seeds: Sequence[int],
) -> list[Stolen]:
    """A substitute for each set of ``members``, rows of the queries and of what they were answered as distributions."""
    coding = encoding(inputs)
    slots = max(len(pad_batch(own, FEWEST)) for own in members)
    count = np.array([len(own) for own in members])
    index = np.stack([np.resize(own, slots) for own in members]).astype(np.int32)
    weight = (np.arange(slots) < count[:, None]).astype(np.float64)
    learn = {"softmax": _softmaxes, "rbf": _kernels}.get(substitute.family, _networks)
    member = Members(index, weight, count.astype(np.int32), np.array(seeds, np.uint32))
    parameters = learn(substitute, pad_batch(coding(x), FEWEST), pad_batch(target, FEWEST), member)
    model = on_queries(network(substitute, coding.shape, target.shape[1]), inputs.shape, coding.categories)
    dtype = next(iter(parameters.values())).dtype
    fixed = {"center": coding.center.astype(dtype), "scale": coding.scale.astype(dtype)}
    return [Stolen(model, fixed | {name: value[i] for name, value in parameters.items()}) for i in range(len(members))]


def _over_models(one: Any) -> Any:
    """``one(leading, x, target)`` for every entry of the leading axis, some at a time, on as many devices as it fills."""

    @cache
    def program(mesh: Mesh) -> Any:
        return mapped(one, mesh, 1 if on_cpu(mesh) else GROUP)

    def run(leading: Any, x: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
        count = len(jax.tree.leaves(leading)[0])
        mesh = Mesh(device_mesh().devices[:count], ("model",))
        # Calls of few sizes, so that another number of models compiles nothing anew.
        group = 1 if on_cpu(mesh) else min(GROUP, 1 << (-(-count // mesh.size) - 1).bit_length())
        size = group * mesh.size
        shared = jax.device_put((x, target), NamedSharding(mesh, EVERYWHERE))
        calls = [
            jax.tree.map(
                np.asarray, program(mesh)(jax.tree.map(lambda leaf, slots=slots: leaf[slots], leading), *shared)
            )
            for slots in np.resize(np.arange(count), (-(-count // size), size))
        ]
        return {name: np.concatenate([call[name] for call in calls])[:count] for name in calls[0]}

    return run


def _networks(substitute: Substitute, x: np.ndarray, target: np.ndarray, member: Members) -> dict[str, np.ndarray]:
    model = network(substitute, x.shape[1:], target.shape[1])
    return _network_program(model, substitute)(member, x.astype(np.float32), target.astype(np.float32))


@cache
def _network_program(model: Model, substitute: Substitute) -> Any:
    def one(member, x, target):
        steps = substitute.epochs * -(-member.count // substitute.batch)
        key, length = jax.random.fold_in(jax.random.key(member.seed), 0), jnp.float32(steps)
        adam = optax.adam(lambda at: substitute.learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.float32(at) / length)))

        def loss(parameters, number):
            # With replacement: a pass over so many rows as this model has, in a program that knows only the most.
            pick = jax.random.randint(jax.random.fold_in(key, number), (substitute.batch,), 0, member.count)
            row, squares = member.index[pick], sum(jnp.sum(leaf**2) for leaf in parameters.values())
            logits = model.apply(Variables(parameters, {}), x[row])
            return optax.softmax_cross_entropy(logits, target[row]).mean() + 0.5 * substitute.ridge * squares

        first = model.init(jax.random.fold_in(key, 2**32 - 1)).params
        return descend(loss, adam, first, steps).point

    return _over_models(one)


def multinomial(
    x: Float[jax.Array, "row feature"],
    target: Float[jax.Array, "row cls"],
    weight: Float[jax.Array, "row"],
    ridge: float,
    passes: int,
) -> tuple[Float[jax.Array, "feature cls"], Float[jax.Array, "cls"]]:
    """Kernel and bias of the least mean cross entropy of the weighted rows, with ``ridge`` / 2 times the squared kernel."""
    share = weight / jnp.maximum(jnp.sum(weight), 1.0)
    start = jnp.zeros((x.shape[1] + 1, target.shape[1]), x.dtype)

    def loss(flat):
        both = flat.reshape(start.shape)
        logit = x @ both[:-1] + both[-1:]
        entropy = jax.nn.logsumexp(logit, axis=1) - jnp.sum(logit * target, axis=1)
        return jnp.sum(entropy * share) + 0.5 * ridge * jnp.sum(both[:-1] ** 2)

    both = minimise(loss, start.ravel(), passes).x.reshape(start.shape)
    return both[:-1], both[-1]


def _softmaxes(substitute: Substitute, x: np.ndarray, target: np.ndarray, member: Members) -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        return _softmax_program(substitute.ridge)(member, x, target)


@cache
def _softmax_program(ridge: float) -> Any:
    def one(member, x, target):
        x, target = x.reshape(len(x), -1)[member.index], target[member.index]
        kernel, bias = multinomial(x, target, member.weight, ridge, PASSES)
        return {"layers.0.kernel": kernel, "layers.0.bias": bias}

    return _over_models(one)


def _kernels(substitute: Substitute, x: np.ndarray, target: np.ndarray, member: Members) -> dict[str, np.ndarray]:
    """Each with the width that labels most of the held-out queries right, fitted to all."""
    x, size = x.reshape(len(x), -1), min(substitute.landmarks, int(member.count.max()))
    first = [
        np.resize(np.random.default_rng(seed).permutation(count), size)
        for seed, count in zip(member.seed, member.count, strict=True)
    ]
    landmark = x[np.take_along_axis(member.index, np.stack(first), axis=1)]
    judge = (np.arange(member.weight.shape[1]) % HELD_OUT == HELD_OUT - 1) & (member.weight > 0)
    width = np.array(GAMMAS) / x.shape[1]
    part = member._replace(weight=member.weight * ~judge), judge, landmark[:, :JUDGED]
    tries = jax.tree.map(lambda leaf: np.repeat(leaf, len(width), axis=0), part)
    with jax.enable_x64(True):
        hits = _kernel_program(substitute.ridge, TRIAL)((*tries, np.tile(width, len(first))), x, target)
        best = width[hits["right"].reshape(len(first), len(width)).argmax(axis=1)]
        fits = _kernel_program(substitute.ridge, PASSES)((member, judge, landmark, best), x, target)
    return {name: value for name, value in fits.items() if name != "right"}


@cache
def _kernel_program(ridge: float, passes: int) -> Any:
    def one(mine, x, target):
        member, judge, landmark, gamma = mine
        x, target = x[member.index], target[member.index]
        feature, factor = rbf.whiten(x, landmark, gamma)
        kernel, bias = multinomial(feature, target, member.weight, ridge, passes)
        right = jnp.sum(judge & ((feature @ kernel + bias[None]).argmax(axis=1) == target.argmax(axis=1)))
        coefficient = rbf.coefficients(factor, kernel)
        return {"landmark": landmark, "gamma": gamma, "coefficient": coefficient, "bias": bias, "right": right}

    return _over_models(one)
