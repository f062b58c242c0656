"""What users of federated learning send, and how they make it.

In FedSGD a user sends the gradient of the mean cross-entropy of its records; in FedAvg (McMahan et al. 2017) it takes some
steps of an optimiser on its own (`local`) and sends by how much the parameters changed. The server, or whoever listens, knows
the parameters that were sent out, the number of records and the local schedule: everything but the records.

`simulate` is what an honest user computes and what an attacker computes of records that it made up: the same
function, differentiable twice where the model is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.attacks.inversion.gradient.local import PLAIN, Adam, Local, Sgd
from jaxattack.types import InputError, Model, Variables, WhiteBox, config


@config
class Terms:
    """What is known of how every user makes its update.

    Attributes:
        records: of each user, at least 1.
        local: the local schedule; None for one gradient of all records.
        training: whether batch norm uses the statistics of the user's own batch and not those of the model. Dropout,
            if there is any, then uses one fixed mask.

    Raises:
        InputError: no records, a batch larger than they are, or too few steps to read them all.
    """

    records: int
    local: Local | None = None
    training: bool = False

    def __post_init__(self) -> None:
        if self.records < 1:
            raise InputError(f"records is {self.records}: an update is made of at least 1.")
        if self.local and self.local.batch > self.records:
            raise InputError(f"batch is {self.local.batch} and a user has {self.records} records: give at most those.")
        if self.local and (read := self.local.steps * self.local.batch) < self.records:
            raise InputError(
                f"steps is {self.local.steps} and batch is {self.local.batch}: they read {read} of a user's {self.records} records, and "
                "the update tells nothing of the others; take more steps, or give fewer records."
            )

    @property
    def batches(self) -> Int[np.ndarray, "step batch"]:
        """The records of each step."""
        return self.local.batches(self.records) if self.local else np.arange(self.records)[None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Update:
    """What users sent.

    Attributes:
        sent: shaped as the model's parameters, every leaf led by the axis ``user``: the mean gradient, or, with local steps,
            the parameters after them less the parameters before.
        terms: how each was made.
        rest: batch statistics that each user sent along, every leaf led by ``user``; None where they sent none.
        label: of the records, where the attacker knows them; None where it has to find them.
    """

    sent: Any
    terms: Terms
    rest: Any = None
    label: Int[np.ndarray, "user record"] | None = None

    @property
    def users(self) -> int:
        """How many sent something."""
        return len(jax.tree.leaves(self.sent)[0])

    @property
    def gradient(self) -> Any:
        """The mean gradient over the local steps, to first order in the learning rate; of Adam, its mean sign."""
        scale = -1 / self.terms.local.reach if self.terms.local else 1.0
        return jax.tree.map(lambda leaf: np.asarray(leaf) * np.float32(scale), self.sent)


def mean_gradient(model: Model, variables: Variables, x: Any, target: Any, training: bool) -> tuple[Any, Any]:
    """Gradient of the mean cross-entropy of a batch, and the batch statistics after it.

    Args:
        model: whose parameters are differentiated.
        variables: where.
        x: ["record *feature"].
        target: distributions ["record cls"].
        training: see `Terms`.
    """

    def loss(params):
        at = Variables(params, variables.rest)
        logits, rest = model.forward(at, x, jax.random.key(0)) if training else (model.apply(at, x), at.rest)
        return -jnp.mean(jnp.sum(target * jax.nn.log_softmax(logits), axis=-1)), rest

    return jax.grad(loss, has_aux=True)(variables.params)


def simulate(model: Model, terms: Terms, variables: Variables, x: Any, target: Any) -> tuple[Any, Any]:
    """What one user sends of its records.

    Args:
        model: as the server sent it.
        terms: how the update is made.
        variables: as the server sent them.
        x: ["record *feature"].
        target: distributions ["record cls"].

    Returns:
        The update, shaped as the parameters, and the batch statistics after it.
    """
    local = terms.local
    if local is None:
        return mean_gradient(model, variables, x, target, terms.training)

    optimizer = local.optimizer.transformation()

    def step(state, rows):
        change, rest, moments = state
        # The change is summed by itself: the difference of two large parameters would lose its digits.
        now = Variables(jax.tree.map(jnp.add, variables.params, change), rest)
        gradient, rest = mean_gradient(model, now, x[rows], target[rows], terms.training)
        direction, moments = optimizer.update(gradient, moments)
        return (jax.tree.map(lambda c, d: c - local.learning_rate * d, change, direction), rest, moments), None

    zero = jax.tree.map(jnp.zeros_like, variables.params)
    change, rest, _ = jax.lax.scan(step, (zero, variables.rest, optimizer.init(zero)), jnp.asarray(terms.batches))[0]
    return change, rest


def gradient_of(
    victim: WhiteBox,
    x: Shaped[np.ndarray, "user record *feature"],
    y: Int[np.ndarray, "user record"],
    *,
    training: bool = False,
) -> Update:
    """The mean gradient of each user's batch, as its honest owner computes it.

    Args:
        victim: the shared model.
        x: the private records, in the units of ``victim.inputs``.
        y: their labels.
        training: see `Terms`.

    Raises:
        InputError: records or labels that do not fit the victim or one another.
    """
    return _update(victim, x, y, Terms(records=_records(victim, x, y), training=training))


def federated_update(
    victim: WhiteBox,
    x: Shaped[np.ndarray, "user record *feature"],
    y: Int[np.ndarray, "user record"],
    *,
    steps: int,
    learning_rate: float,
    batch: int,
    optimizer: Sgd | Adam = PLAIN,
    training: bool = False,
) -> Update:
    """By how much each user's local steps change the parameters, as its honest owner computes it.

    Args:
        victim: the shared model.
        x: the private records, in the units of ``victim.inputs``, in the order in which they are trained on.
        y: their labels.
        steps: that each user takes.
        learning_rate: of each.
        batch: records a step.
        optimizer: of the users.
        training: see `Terms`.

    Raises:
        InputError: records or labels that do not fit the victim or one another, or a schedule out of range.
    """
    local = Local(steps=steps, learning_rate=learning_rate, batch=batch, optimizer=optimizer)
    return _update(victim, x, y, Terms(records=_records(victim, x, y), local=local, training=training))


def _records(victim: WhiteBox, x: np.ndarray, y: np.ndarray) -> int:
    if y.ndim != 2 or x.shape != (*y.shape, *victim.inputs.shape):
        raise InputError(
            f"x has shape {x.shape} and y {y.shape}: give y [user, record] and x [user, record, "
            f"{', '.join(map(str, victim.inputs.shape))}]."
        )
    if not y.size or y.min() < 0 or y.max() >= victim.classes:
        raise InputError(f"y holds labels outside 0 to {victim.classes - 1}, or none: give one of these a record.")
    return y.shape[1]


def _update(victim: WhiteBox, x: np.ndarray, y: np.ndarray, terms: Terms) -> Update:
    sent, rest = _simulate(victim.model, terms, victim.classes, victim.variables, np.asarray(x, np.float32), y)
    sent, rest = jax.tree.map(np.asarray, (sent, rest))
    return Update(sent=sent, terms=terms, rest=rest if terms.training else None)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _simulate(model, terms, classes, variables, x, y):
    with jax.default_matmul_precision("highest"):
        return jax.lax.map(
            lambda user: simulate(model, terms, variables, user[0], jax.nn.one_hot(user[1], classes)), (x, y)
        )


def check_update(victim: WhiteBox, update: Update) -> None:
    """Whether an update can be of a victim.

    Raises:
        InputError: shapes other than those of the victim's parameters, values that are not finite, an update that is zero, or
            labels that do not fit.
    """
    expected, structure = jax.tree.structure(victim.variables.params), jax.tree.structure(update.sent)
    shapes = [np.shape(leaf)[1:] for leaf in jax.tree.leaves(update.sent)]
    if expected != structure or shapes != [np.shape(leaf) for leaf in jax.tree.leaves(victim.variables.params)]:
        raise InputError(
            "the update is not shaped as the victim's parameters behind an axis user: send what it learns."
        )
    if len({len(leaf) for leaf in jax.tree.leaves(update.sent)}) != 1 or not update.users:
        raise InputError("the update's arrays differ in their number of users, or have none: give each the same.")
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(update.sent)):
        raise InputError("the update has NaN or infinite values: leave out the users whose training diverged.")
    silent = ~np.any(
        [np.reshape(leaf, (update.users, -1)).any(axis=1) for leaf in jax.tree.leaves(update.sent)], axis=0
    )
    if silent.any():
        raise InputError(f"the update of user {silent.argmax()} is zero everywhere: it tells nothing, leave it out.")
    label = update.label
    if label is not None and (
        label.shape != (update.users, update.terms.records) or label.min() < 0 or label.max() >= victim.classes
    ):
        raise InputError(
            f"label has shape {label.shape}: give {update.users} users {update.terms.records} labels each, "
            f"0 to {victim.classes - 1}."
        )
