"""Records read off the gradient of a fully connected first layer, without any search.

Of a layer W'x + b, the gradient at unit i's weights is that at its bias times x (Phong et al. 2018, section 3; Geiping et
al. 2020, proposition 3.1): dW_i = db_i x. One record is exact, whatever follows the layer, and stays so over any local
steps of gradient descent. Of a batch, dW_i / db_i is a mixture of the records that move unit i. Where a unit moves with one
record alone, as with ReLU, it is that record, and two units that agree give it away (Boenisch et al. 2021). What
no two units agree on is not found.

What the layer takes may be a record in other units, as bytes scaled to -1..1: its scale and offset, of each feature, are
measured on the model that was sent.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.inversion.gradient.update import Terms, Update, check_update, simulate
from jaxattack.types import InputError, Inversion, Progress, Variables, WhiteBox, config

AGREE = 1e-3
"""How far apart two units' ratios may be, root mean square, in units of the box."""

LEAST = 1e-5
"""Units whose bias moves by less than this share of the largest are left out: their ratio is rounding."""


class _Layer(NamedTuple):
    """A first layer: the numbers of its leaves, and what it takes of a record x, which is scale x + offset.

    Attributes:
        kernel: number of the leaf ["feature neuron"].
        bias: number of the leaf ["neuron"].
        scale: Float["feature"].
        offset: Float["feature"].
    """

    kernel: int
    bias: int
    scale: np.ndarray
    offset: np.ndarray


class _Readout(NamedTuple):
    x: Float[np.ndarray, "record feature"]
    units: Bool[np.ndarray, "record neuron"]
    spread: Float[np.ndarray, "record"]


@config
class Analytic:
    """The ratio of a fully connected first layer's gradients. Nothing is random, and there is one restart."""

    name = "analytic"
    paper = "Phong et al. 2018; Geiping et al. 2020; Boenisch et al. 2021"

    def __call__(
        self,
        victim: WhiteBox,
        updates: Update,
        *,
        seed: int = 0,  # noqa: ARG002 (every attack has the same arguments)
        progress: Progress | None = None,
    ) -> Inversion:
        """Make back the records behind each update.

        Args:
            victim: the model as the server sent it; its first layer is fully connected and has a bias.
            updates: what users sent.
            seed: decides nothing.
            progress: called with what is being done, how much of it, and of how much.

        Returns:
            The records of user u from target u * records on. The score is less the spread between the units that agree, in
            units of the box; NaN, with the middle of the box, for a record that was not found.

        Raises:
            InputError: an update that is not of this victim or is by Adam, or a first layer that is something else.
        """
        check_update(victim, updates)
        local = updates.terms.local
        if local and not local.optimizer.linear:
            raise InputError("the users' optimizer has lost the ratios of gradients: search for the records instead.")
        layer = _first_layer(victim)
        kernel, bias = layer.kernel, layer.bias
        leaves = jax.tree.leaves(updates.gradient)
        records, readouts = updates.terms.records, []
        for user in range(updates.users):
            readouts.append(_read(victim, layer, leaves[kernel][user], leaves[bias][user], records))
            if progress:
                progress("dividing gradients", user + 1, updates.users)
        x = np.concatenate([each.x for each in readouts]).reshape(-1, *victim.inputs.shape)
        spread = np.concatenate([each.spread for each in readouts])
        # Of one record the whole schedule is simulated; of a batch, each record as if it had come alone.
        movement = (
            jax.tree.leaves(updates.sent)[bias] if records == 1 else np.repeat(leaves[bias], records, axis=0) * records
        )
        units = np.concatenate([each.units for each in readouts])
        missing = int(np.isnan(spread).sum())
        return Inversion(
            attack=self.name,
            target=_labels(victim, bias, x, movement, units, updates),
            x=x,
            restarts=x[:, None],
            score=-spread[:, None],
            steps=np.zeros((len(x), 1), int),
            gradients=len(x) * victim.classes,
            complete=not missing,
            reason=f"no two units agree on {missing} of {len(x)} records: search for them instead." if missing else "",
            notes={"found": len(x) - missing},
        )


def _first_layer(victim: WhiteBox) -> _Layer:
    """The fully connected layer that takes the record.

    Raises:
        InputError: there is none with a bias.
    """
    features = victim.inputs.low.size
    listed = jax.tree_util.tree_flatten_with_path(victim.variables.params)[0]
    for number, (path, leaf) in enumerate(listed):
        for other, (beside, bias) in enumerate(listed):
            fits = leaf.shape == (features, bias.size) and bias.ndim == 1 and path[:-1] == beside[:-1]
            scale = _scale(victim, np.asarray(leaf), other) if fits else None
            if scale is not None:
                return _Layer(number, other, scale, _offset(victim, number, other, scale))
    raise InputError(
        f"the victim has no fully connected layer with a bias that takes its {features} features, or its answers do not move "
        "with that layer: search for the records instead."
    )


def _probe(victim: WhiteBox) -> Float[np.ndarray, "1 *feature"]:
    return np.random.default_rng(0).uniform(victim.inputs.low, victim.inputs.high)[None].astype(np.float32)


def _scale(victim: WhiteBox, kernel: np.ndarray, bias: int) -> Float[np.ndarray, "feature"] | None:
    """How many times as far a layer's input moves as each feature, if this layer is the first; None if it is not.

    The logits then move with a record as they move with the layer's bias times its kernel, times the scale, whatever
    direction they are asked to move in.
    """
    leaves, tree = jax.tree.flatten(victim.variables.params)
    directions = np.random.default_rng(1).normal(size=(8, 1, victim.classes)).astype(np.float32)

    def logits(x, shift):
        params = jax.tree.unflatten(tree, [*leaves[:bias], shift, *leaves[bias + 1 :]])
        return victim.model.apply(Variables(params, victim.variables.rest), x)

    pull = jax.vjp(logits, _probe(victim), leaves[bias])[1]
    moves = [pull(direction) for direction in directions]
    by_record = np.stack([np.ravel(record) for record, _ in moves]).astype(np.float64)
    by_layer = np.stack([kernel @ np.asarray(by_bias) for _, by_bias in moves]).astype(np.float64)
    scale = (by_record * by_layer).sum(axis=0) / np.maximum((by_layer**2).sum(axis=0), np.finfo(float).tiny)
    close = np.allclose(by_record, by_layer * scale, rtol=1e-3, atol=1e-4 * np.abs(by_record).max())
    return scale if close and (scale > 0).all() else None


def _offset(victim: WhiteBox, kernel: int, bias: int, scale: np.ndarray) -> Float[np.ndarray, "feature"]:
    """What the layer takes of a record, less the scaled record: the gradient of a known one tells it."""
    x, target = _probe(victim), np.eye(victim.classes, dtype=np.float32)[:1]
    sent = jax.tree.leaves(simulate(victim.model, Terms(records=1), victim.variables, x, target)[0])
    by_kernel, by_bias = (np.asarray(sent[number], np.float64) for number in (kernel, bias))
    return by_kernel @ by_bias / max(by_bias @ by_bias, np.finfo(float).tiny) - scale * x.ravel()


def _read(victim: WhiteBox, layer: _Layer, kernel: np.ndarray, bias: np.ndarray, records: int) -> _Readout:
    low, width = victim.inputs.low.ravel(), (victim.inputs.high - victim.inputs.low).ravel()
    kernel, bias = kernel.astype(np.float64), bias.astype(np.float64)
    loud = np.abs(bias) > LEAST * np.abs(bias).max()
    if records == 1:
        # Least squares over all units: quiet ones are rounded the most and weigh the least.
        quotient = kernel @ bias / max(bias @ bias, np.finfo(float).tiny)
        residual = (kernel - np.outer(quotient, bias)) / layer.scale[:, None]
        spread = np.sqrt((residual**2).mean() / max((bias**2).mean(), np.finfo(float).tiny)) / max(width.max(), 1e-300)
        return _Readout(((quotient - layer.offset) / layer.scale)[None], loud[None], np.array([spread]))
    quotient = np.divide(kernel, bias, out=np.full_like(kernel, np.inf), where=loud).T
    ratio = (quotient - layer.offset) / layer.scale
    inside = np.isfinite(ratio).all(axis=1)
    unit = np.full_like(ratio, np.inf)
    unit[inside] = (ratio[inside] - low) / np.where(width > 0, width, 1)
    inside &= ((unit > -AGREE) & (unit < 1 + AGREE)).all(axis=1)
    return _cluster(unit, inside, np.abs(bias), records, low, width)


def _cluster(unit: Any, inside: Any, weight: Any, records: int, low: np.ndarray, width: np.ndarray) -> _Readout:
    """Clusters of two units or more, the largest first."""
    number = np.flatnonzero(inside)
    apart = np.stack([np.sqrt(((unit[number] - unit[one]) ** 2).mean(axis=1)) for one in number] or [np.zeros(0)])
    near, free = apart < AGREE, np.ones(len(number), bool)
    x = np.tile(low + width / 2, (records, 1))
    units, spread = np.zeros((records, len(unit)), bool), np.full(records, np.nan)
    for record in range(records):
        sizes = (near & free[None]).sum(axis=1) * free if len(number) else np.zeros(1)
        if sizes.max() < 2:
            break
        cluster = near[sizes.argmax()] & free
        mean = np.average(unit[number[cluster]], axis=0, weights=weight[number[cluster]])
        x[record], spread[record] = low + mean * width, apart[sizes.argmax(), cluster].max()
        units[record, number[cluster]] = True
        free &= ~cluster
    return _Readout(x, units, spread)


def _labels(
    victim: WhiteBox, bias: int, x: np.ndarray, movement: np.ndarray, units: np.ndarray, update: Update
) -> Int[np.ndarray, "target"]:
    """The label with which a record moves its units as they moved."""
    alone = update.terms if update.terms.records == 1 else Terms(records=1)
    by_label = np.asarray(_by_label(victim.model, alone, victim.classes, bias, victim.variables, x.astype(np.float32)))
    off = ((by_label - movement[:, None]) ** 2 * units[:, None]).sum(axis=2)
    return off.argmin(axis=1)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _by_label(model, terms, classes, bias, variables, x):
    """Gradient at the bias of the first layer, of every record with every label: ["target cls neuron"]."""

    def one(record):
        def labelled(target):
            sent, _ = simulate(model, terms, variables, record[None], target[None])
            return jax.tree.leaves(sent)[bias]

        return jax.vmap(labelled)(jax.numpy.eye(classes))

    with jax.default_matmul_precision("highest"):
        return jax.lax.map(one, x)
