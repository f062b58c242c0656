"""Several models at once: as one surrogate whose examples transfer further, or side by side, each attacked by itself.

    ensemble(boxes)                one model that answers with the mean of the logits (Dong et al. 2018)
    side_by_side(boxes)            one batch in which every model has rows of its own
    transfer_matrix(attack, ...)   whom the examples of each model fool, and those of the mean of all others

Models of one architecture are one vmapped axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.attacks.evasion.outcome import take_records
from jaxattack.attacks.evasion.white_box import Draw, WhiteBoxAttack
from jaxattack.perturb.box import in_blocks
from jaxattack.types import InputError, Model, Variables, WhiteBox


class TransferMatrix(NamedTuple):
    """Whom examples fool, among the records that each victim labels right.

    Attributes:
        right: whether a victim labels a record right.
        fooled: whether it labels the example that was made on a source wrong.
        fooled_by_others: the same of the example made on the mean of all other models.
    """

    right: Bool[np.ndarray, "victim record"]
    fooled: Bool[np.ndarray, "source victim record"]
    fooled_by_others: Bool[np.ndarray, "victim record"]

    @property
    def share(self) -> Float[np.ndarray, "source victim"]:
        """Of the records that a victim labels right those that a source's examples fool it about; NaN where there are none."""
        with np.errstate(invalid="ignore"):
            return (self.fooled & self.right[None]).sum(axis=2) / self.right.sum(axis=1)[None]

    @property
    def share_by_others(self) -> Float[np.ndarray, "victim"]:
        """The same of the examples that the mean of all other models makes."""
        with np.errstate(invalid="ignore"):
            return (self.fooled_by_others & self.right).sum(axis=1) / self.right.sum(axis=1)


def ensemble(boxes: Sequence[WhiteBox]) -> WhiteBox:
    """One model that answers with the mean of the logits of several.

    Args:
        boxes: of the same records and classes.

    Raises:
        InputError: no model, or models of other records or classes.
    """
    first = _alike(boxes)
    if len({box.model for box in boxes}) == 1:
        model, variables = _mean_of_one(first.model), _stacked(boxes)
    else:
        model = _mean_of(tuple(box.model for box in boxes))
        variables = Variables([box.variables.params for box in boxes], [box.variables.rest for box in boxes])
    return WhiteBox(model=model, variables=variables, inputs=first.inputs, classes=first.classes)


def side_by_side(boxes: Sequence[WhiteBox]) -> WhiteBox:
    """Models of one architecture as one: row r is answered by model r modulo their number, a power of two.

    An attack on records that are each repeated once a model, ``np.repeat(x, len(boxes), axis=0)``, attacks all models at once, where it
    leaves rows in their places (`WhiteBoxAttack.compacts`).

    Raises:
        InputError: no model, other architectures, records or classes, or a number that is no power of two.
    """
    first = _alike(boxes)
    if len({box.model for box in boxes}) > 1 or len(boxes) & (len(boxes) - 1):
        raise InputError(
            f"there are {len(boxes)} models of {len({box.model for box in boxes})} architectures: give a power of two, of one."
        )
    return WhiteBox(
        model=_apart(first.model, len(boxes)), variables=_stacked(boxes), inputs=first.inputs, classes=first.classes
    )


def transfer_matrix(
    attack: WhiteBoxAttack,
    boxes: Sequence[WhiteBox],
    x: Shaped[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    *,
    seed: int = 0,
) -> TransferMatrix:
    """Make examples on each model, and on the mean of all but each, and try them on all.

    Args:
        attack: on weights; one that stops at the boundary of its own model goes on.
        boxes: two models or more of one architecture, such as those of a sweep.
        x: records.
        y: their labels.
        seed: decides everything random.

    Raises:
        InputError: an attack that compacts its records, fewer than two models, models of several architectures, or records that they do not take.
    """
    if len(boxes) < 2:
        raise InputError(f"there are {len(boxes)} models: a transfer needs two at least.")
    if attack.compacts:
        raise InputError(
            f"{attack.name} goes on with the records that are left, and models side by side need every row: give one attack, of "
            "one size."
        )
    first = _alike(boxes)
    x, y = take_records(first.inputs, first.classes, x, y)
    attack.check(first.classes)
    attack, models = attack.for_transfer(), len(boxes)
    padded = [*boxes, *[boxes[-1]] * ((1 << (models - 1).bit_length()) - models)]
    beside, count = side_by_side(padded), len(padded)
    every = np.arange(len(x)).repeat(count)
    examples = attack.examples(beside, x[every], y[every], Draw(seed, every)).x
    examples = examples.reshape(len(x), count, *x.shape[1:])[:, :models]
    labels = partial(_labels, first.model, _stacked(boxes), models)
    fooled = labels(examples.reshape(-1, *x.shape[1:])).reshape(len(x), models, models) != y[:, None, None]
    others = np.zeros((models, len(x)), bool)
    for left_out in range(models):
        mean = ensemble([box for number, box in enumerate(boxes) if number != left_out])
        others[left_out] = labels(attack.examples(mean, x, y, Draw(seed)).x)[:, left_out] != y
    return TransferMatrix((labels(x) == y[:, None]).T, fooled.transpose(1, 2, 0), others)


def _alike(boxes: Sequence[WhiteBox]) -> WhiteBox:
    """The first of models of the same task.

    Raises:
        InputError: none, or models of other records or classes.
    """
    if not boxes:
        raise InputError("boxes is empty: give at least one model.")
    kinds = {(box.inputs.shape, box.classes) for box in boxes}
    if len(kinds) > 1:
        raise InputError(
            f"the models take records of these shapes and have these classes: {sorted(kinds)}: give one task."
        )
    return boxes[0]


def _stacked(boxes: Sequence[WhiteBox]) -> Variables:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(box.variables for box in boxes))


def _labels(model: Model, variables: Variables, models: int, x: np.ndarray) -> Int[np.ndarray, "record model"]:
    """What each of the models labels records."""
    return in_blocks(lambda x: _argmax(model, variables, x), x).reshape(len(x), models).astype(int)


@partial(jax.jit, static_argnames="model")
def _argmax(model: Model, variables: Variables, x: jax.Array) -> jax.Array:
    return jax.vmap(lambda variables: model.apply(variables, x).argmax(axis=1))(variables).T


def _of_apply(apply) -> Model:
    """A Model that is deployed and never trained."""
    return Model(_no_init, apply, lambda variables, x, key: (apply(variables, x), variables.rest))  # noqa: ARG005


def _no_init(key: jax.Array) -> Variables:  # noqa: ARG001
    raise InputError("models side by side are made of models that are trained already: train those.")


@cache
def _mean_of_one(model: Model) -> Model:
    return _of_apply(lambda variables, x: jax.vmap(model.apply, (0, None))(variables, x).mean(axis=0))


@cache
def _mean_of(models: tuple[Model, ...]) -> Model:
    def apply(variables, x):
        parts = zip(models, variables.params, variables.rest, strict=True)
        logits = [model.apply(Variables(params, rest), x) for model, params, rest in parts]
        return jnp.stack(logits).mean(axis=0)

    return _of_apply(apply)


@cache
def _apart(model: Model, models: int) -> Model:
    def apply(variables, x):
        rows = x.reshape(-1, models, *x.shape[1:])
        z = jax.vmap(model.apply, (0, 1), 1)(variables, rows)
        return z.reshape(len(x), -1)

    return _of_apply(apply)
