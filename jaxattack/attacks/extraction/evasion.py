"""Adversarial examples made on a model at hand: the end that many thefts serve, and a way to choose queries.

    fgsm        x + size range sign(grad loss)                                   Goodfellow et al. 2015
    iterative   the same in small steps, kept within size of x                   Kurakin et al. 2017
    deepfool    the nearest boundary of the model, linearised again and again    Moosavi-Dezfooli et al. 2016
    featurefool the smallest change that makes the model see another record      Yu et al. 2020 (CloudLeak)

Sizes are shares of each feature's range. Examples stay inside the range that the service documents. Categories of a
table are steps, where gradients vanish: they stay as they are.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.substitute import padded
from jaxattack.types import Extraction, InputError, Inputs, Ledger, Model, Oracle, Variables, config

BLOCK = 1024
"""Records attacked at once."""

OVERSHOOT = 0.02
DEEPFOOL_STEPS = 10
FEATUREFOOL_STEPS, FEATUREFOOL_RATE, PULL = 40, 0.005, 1.0


@config
class Perturbation:
    """How adversarial examples are made.

    Attributes:
        size: the largest change of a feature, as a share of its range.
        steps: 1 for the fast gradient sign method; more for the iterative one.

    Raises:
        InputError: a value out of range.
    """

    size: float = 0.15
    steps: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.size <= 1:
            raise InputError(f"size is {self.size}: give a share of the range above 0, at most 1.")
        if self.steps < 1:
            raise InputError(f"steps is {self.steps}: give 1 for the fast gradient sign method, or more.")

    @property
    def rate(self) -> float:
        """The size of one step: all of it, or enough that the steps could go there and back."""
        return self.size if self.steps == 1 else min(self.size, 2.5 * self.size / self.steps)


class Transfer(NamedTuple):
    """How adversarial examples made on a stolen model fare against the victim.

    Attributes:
        example: Float["record *feature"], the examples.
        fooled: Bool["record"], the victim labelled the record right and its example wrong.
        right: Bool["record"], the victim labelled the record right.
        cost: what was asked: every record and every example once.
    """

    example: np.ndarray
    fooled: Bool[np.ndarray, "record"]
    right: Bool[np.ndarray, "record"]
    cost: Ledger

    @property
    def rate(self) -> float:
        """The share of the records labelled right that are fooled; NaN where there are none."""
        return float(self.fooled.sum() / self.right.sum()) if self.right.any() else float("nan")


def transfer(
    oracle: Oracle,
    extraction: Extraction,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    perturbation: Perturbation,
) -> Transfer:
    """Make adversarial examples on a stolen model and try them on the victim (Papernot et al. 2017).

    Args:
        oracle: the victim; asked for each record and each example, in one call.
        extraction: with a model to differentiate.
        x: records.
        y: their true labels.
        perturbation: how the examples are made.

    Raises:
        InputError: an extraction without a model.
    """
    if extraction.model is None:
        raise InputError(f"{extraction.attack} stole no network: adversarial examples need one to differentiate.")
    before = oracle.ledger
    example = adversarial(extraction.model, extraction.variables, x, y, oracle.access.inputs, perturbation)
    label = oracle(np.concatenate([np.asarray(x, np.float64), example])).label
    right = label[: len(x)] == y
    return Transfer(example, right & (label[len(x) :] != y), right, oracle.ledger - before)


def adversarial(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    inputs: Inputs,
    perturbation: Perturbation,
) -> Float[np.ndarray, "record *feature"]:
    """Examples near the records that the model does not label as given.

    Args:
        model: with gradients.
        variables: of the model.
        x: records.
        y: the labels to move away from.
        inputs: the range to stay in.
        perturbation: how.
    """

    def block(x, y):
        return _sign_steps(
            model, perturbation.steps, variables, x, y, _box(inputs), perturbation.size, perturbation.rate
        )

    return _in_blocks(block, x, y)


def sign_of_gradient(
    model: Model, variables: Variables, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
) -> Float[np.ndarray, "record *feature"]:
    """sign(d ln p_y / dx), which is the sign of the Jacobian's row y: p_y is positive."""
    return _in_blocks(lambda x, y: -_loss_sign(model, variables, x, y), x, y)


def deepfool(
    model: Model, variables: Variables, x: Float[np.ndarray, "record *feature"], inputs: Inputs
) -> tuple[Float[np.ndarray, "record *feature"], Float[np.ndarray, "record"]]:
    """Each record moved just over the model's nearest boundary, and how far that is, in shares of the ranges (2-norm).

    A record that does not cross within the steps of the search keeps how far it went.
    """
    moved = _in_blocks(lambda x, _: _deepfool(model, variables, x, _box(inputs)), x, np.zeros(len(x), int))
    share = (moved - x) / _span(inputs)
    return moved, np.sqrt((share.reshape(len(x), -1) ** 2).sum(axis=1))


def featurefool(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    guide: Float[np.ndarray, "record *feature"],
    inputs: Inputs,
) -> Float[np.ndarray, "record *feature"]:
    """Records changed a little so that the model sees them more like their guides than like themselves.

    Minimises |x' - x|^2 + pull max(0, |phi(x') - phi(guide)| - |phi(x') - phi(x)| + margin) inside the ranges, changes in
    shares of the ranges, by projected gradient steps. phi are the model's log confidences, where the paper takes a deep
    layer of a network trained before; the margin is half of |phi(guide) - phi(x)|.
    """
    return _in_blocks(lambda x, guide: _featurefool(model, variables, x, guide, _box(inputs)), x, guide)


def _box(inputs: Inputs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return inputs.low.astype(np.float32), inputs.high.astype(np.float32), _span(inputs).astype(np.float32)


def _span(inputs: Inputs) -> Float[np.ndarray, "*feature"]:
    """How far a feature may go; 0 would divide."""
    span = inputs.high - inputs.low
    return np.where(span > 0, span, 1.0)


def _in_blocks(function, x: np.ndarray, beside: np.ndarray) -> Float[np.ndarray, "record *feature"]:
    kind = np.float32 if np.issubdtype(beside.dtype, np.floating) else np.int32
    done = [np.zeros((0, *x.shape[1:]))]
    for start in range(0, len(x), BLOCK):
        block = slice(start, start + BLOCK)
        moved = function(padded(x[block].astype(np.float32)), padded(beside[block].astype(kind)))
        done.append(np.asarray(moved, np.float64)[: len(x[block])])
    return np.concatenate(done)


def _loss(model: Model, variables: Variables, x: jax.Array, y: jax.Array) -> jax.Array:
    log_p = jax.nn.log_softmax(model.apply(variables, x))
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).sum()


@partial(jax.jit, static_argnames="model")
def _loss_sign(model: Model, variables: Variables, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.sign(jax.grad(_loss, argnums=2)(model, variables, x, y))


@partial(jax.jit, static_argnames=("model", "steps"))
def _sign_steps(model: Model, steps: int, variables: Variables, x, y, box, size, rate) -> jax.Array:
    low, high, span = (part[None] for part in box)
    nearest, farthest = jnp.maximum(low, x - size * span), jnp.minimum(high, x + size * span)

    def step(_, now):
        slope = jax.grad(_loss, argnums=2)(model, variables, now, y)
        return jnp.clip(now + rate * span * jnp.sign(slope), nearest, farthest)

    return jax.lax.fori_loop(0, steps, step, x)


@partial(jax.jit, static_argnames="model")
def _deepfool(model: Model, variables: Variables, x: jax.Array, box) -> jax.Array:
    low, high, span = (part[None] for part in box)
    own = model.apply(variables, x).argmax(axis=1)

    def logits(share):
        return model.apply(variables, share * span)

    def slopes(share, classes):
        rows = [jax.grad(lambda s, c=c: logits(s)[:, c].sum())(share) for c in range(classes)]
        return jnp.stack(rows, axis=1).reshape(len(share), classes, -1)

    def step(_, share):
        z = logits(share)
        slope = slopes(share, z.shape[1])
        mine = own[:, None]
        gap = z - jnp.take_along_axis(z, mine, axis=1)
        away = slope - jnp.take_along_axis(slope, mine[:, :, None], axis=1)
        norm = jnp.sqrt(jnp.sum(away**2, axis=2))
        distance = jnp.where(jax.nn.one_hot(own, z.shape[1]) > 0, jnp.inf, jnp.abs(gap) / jnp.maximum(norm, 1e-12))
        near = distance.argmin(axis=1)[:, None]
        length = jnp.take_along_axis(jnp.abs(gap) / jnp.maximum(norm**2, 1e-12), near, axis=1)
        move = length * jnp.take_along_axis(away, near[:, :, None], axis=1)[:, 0]
        inside = (z.argmax(axis=1) == own).reshape(-1, *[1] * (x.ndim - 1))
        stepped = share + (1 + OVERSHOOT) * move.reshape(share.shape)
        return jnp.where(inside, jnp.clip(stepped, low / span, high / span), share)

    return jax.lax.fori_loop(0, DEEPFOOL_STEPS, step, x / span) * span


@partial(jax.jit, static_argnames="model")
def _featurefool(model: Model, variables: Variables, x: jax.Array, guide: jax.Array, box) -> jax.Array:
    low, high, span = (part[None] for part in box)

    def seen(share):
        return jax.nn.log_softmax(model.apply(variables, share * span))

    def apart(a, b):
        # The small number keeps the gradient of the norm finite where both are alike.
        return jnp.sqrt(jnp.sum((a - b) ** 2, axis=1) + 1e-12)

    own, other, start = seen(x / span), seen(guide / span), x / span
    wanted = 0.5 * apart(own, other)

    def loss(share):
        now = seen(share)
        triplet = jnp.maximum(0.0, apart(now, other) - apart(now, own) + wanted)
        return jnp.sum((share - start) ** 2) + PULL * jnp.sum(triplet)

    def step(at, share):
        slope = jax.grad(loss)(share).reshape(len(share), -1)
        unit = slope / jnp.maximum(jnp.linalg.norm(slope, axis=1, keepdims=True), 1e-12)
        size = FEATUREFOOL_RATE * unit.shape[1] ** 0.5 * (1 - at / FEATUREFOOL_STEPS)
        return jnp.clip(share - size * unit.reshape(share.shape), low / span, high / span)

    return jax.lax.fori_loop(0, FEATUREFOOL_STEPS, step, start) * span
