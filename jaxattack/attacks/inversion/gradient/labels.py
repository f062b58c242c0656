"""Labels read off the update of the last layer.

The gradient of the mean cross-entropy at the logits' bias is mean_i (p_i - onehot(y_i)): negative only where there are
labels. One record: its label is the one negative entry (iDLG, Zhao et al. 2020). A batch: with p the mean prediction,
which the attacker takes from records drawn at random in the box, class c occurs about records * (p_c - gradient_c)
times; counts are rounded so that they add up (after Wainakh et al. 2021). Where a record makes more of an update than another, as
those of the first local steps do under momentum, it counts for as much: records take their classes from the heaviest on. Without a bias, one record's label is the column of
the last kernel's gradient that points against all others, of which there must be two.

The last layer is found by what it does, not by its name: the logits move with its bias one to one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.inversion.gradient.update import Update
from jaxattack.types import InputError, Variables, WhiteBox

PROBES = 64
"""Records drawn at random whose mean prediction stands for that of the private ones."""


def recover_labels(victim: WhiteBox, update: Update, *, seed: int = 0) -> Int[np.ndarray, "user record"]:
    """The labels behind each update, exact for one record; in ascending order among records that count alike.

    Args:
        victim: the shared model.
        update: what users sent; its own labels where the attacker knows them.
        seed: draws the probes.

    Returns:
        The labels.

    Raises:
        InputError: an update of several records by Adam, or of a network whose last layer has no bias; or a network
            without any layer that is known to be the last.
    """
    if update.label is not None:
        return update.label
    local, records = update.terms.local, update.terms.records
    if local and not local.optimizer.linear and records > 1:
        raise InputError("the users' optimizer keeps signs and no counts of labels: give them as the update's label.")
    gradient = [np.asarray(leaf) for leaf in jax.tree.leaves(update.gradient)]
    low, high = victim.inputs.low, victim.inputs.high
    probes = np.random.default_rng(seed).uniform(low, high, (PROBES, *low.shape)).astype(np.float32)
    bias, kernel = last_layer(victim, probes[:1])
    if bias is not None:
        if records == 1:
            return gradient[bias].argmin(axis=1)[:, None]
        mean = np.asarray(_mean_prediction(victim.model, victim.variables, probes))
        weight = local.weights(records) if local else np.ones(records)
        return np.stack([_count(mean - row, weight) for row in gradient[bias]])
    if kernel is None or records > 1 or victim.classes == 2:
        raise InputError(
            "the victim's last layer has no bias to read these labels off: give them as the update's label."
        )
    products = np.einsum("uhc,uhd->ucd", gradient[kernel], gradient[kernel])
    others = np.where(np.eye(victim.classes, dtype=bool), -np.inf, products)
    return others.max(axis=2).argmin(axis=1)[:, None]


def _count(share: Float[np.ndarray, "cls"], weight: Float[np.ndarray, "record"]) -> Int[np.ndarray, "record"]:
    """A label for each record, so that labels weigh what their shares say."""
    left = np.clip(share, 0, None) * len(weight)
    label = np.zeros(len(weight), int)
    for record in np.argsort(-weight, kind="stable"):
        label[record] = left.argmax()
        left[label[record]] -= weight[record]
    for alike in (np.isclose(weight, one) for one in np.unique(weight)):
        label[alike] = np.sort(label[alike])
    return label


def last_layer(victim: WhiteBox, probes: Float[np.ndarray, "query *feature"]) -> tuple[int | None, int | None]:
    """The numbers of the leaves that are the bias and the kernel ["feature cls"] of the last layer; None where absent."""
    leaves, tree = jax.tree.flatten(victim.variables.params)
    numbers: dict[int, int] = {}
    for number, leaf in enumerate(leaves):
        if leaf.ndim not in (1, 2) or leaf.shape[-1] != victim.classes:
            continue
        one = jnp.eye(victim.classes)[0]
        direction = jnp.broadcast_to(one, leaf.shape) if leaf.ndim == 2 else one
        movement = _movement(victim.model, tree, number, leaves, victim.variables.rest, direction, probes)
        alone = np.abs(movement[:, 0]).max() > 0 and not np.abs(movement[:, 1:]).any()
        if alone and (leaf.ndim == 2 or np.allclose(movement[:, 0], 1)):
            numbers[leaf.ndim] = number
    return numbers.get(1), numbers.get(2)


def _movement(
    model: Any, tree: Any, number: int, leaves: list[Any], rest: Any, direction: Any, probes: Any
) -> np.ndarray:
    """How the logits move with one leaf: Float["query cls"]."""

    def logits(leaf):
        params = jax.tree.unflatten(tree, [*leaves[:number], leaf, *leaves[number + 1 :]])
        return model.apply(Variables(params, rest), probes)

    at = jnp.asarray(leaves[number], jnp.float32)
    _, back = jax.vjp(logits, at)
    out = jax.eval_shape(logits, at)
    rows = jax.vmap(back)(jnp.eye(out.size).reshape(-1, *out.shape))[0]
    return np.asarray(jnp.tensordot(rows, direction, axes=direction.ndim).reshape(out.shape))


@partial(jax.jit, static_argnums=0)
def _mean_prediction(model, variables, probes):
    return jnp.mean(jax.nn.softmax(model.apply(variables, probes)), axis=0)
