"""What every extraction attack does around its formula: draw queries, read answers, and stop in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import log_softmax

from jaxattack.types import (
    Access,
    Answer,
    BudgetSpent,
    ExtractionAttack,
    InputError,
    Inputs,
    Oracle,
    OracleError,
    within_memory,
)

Reply = TypeVar("Reply")


def uniform(inputs: Inputs, queries: int, rng: np.random.Generator) -> Float[np.ndarray, "query *feature"]:
    """So many queries drawn uniformly from what the service takes: numbers from their range, categories from their values."""
    within_memory(queries * inputs.low.size, queries=queries)
    share = rng.random((queries, *inputs.shape))
    numeric = inputs.low + share * (inputs.high - inputs.low)
    return as_read(inputs, np.where(inputs.categories > 0, np.floor(share * inputs.categories), numeric))


def as_read(inputs: Inputs, x: Shaped[np.ndarray, "query *feature"]) -> Shaped[np.ndarray, "query *feature"]:
    """Queries as the service reads them: rounded where it takes whole numbers."""
    return np.rint(x) if inputs.whole else x


def require_real(what: str, inputs: Inputs) -> None:
    """Refuse a service that reads every query as whole numbers, before an attack asks between them.

    Raises:
        InputError: the service takes whole numbers.
    """
    if inputs.whole:
        raise InputError(
            f"inputs are whole numbers and {what} asks between them, where the service rounds: choose adaptive-retraining."
        )


def log_probability(answer: Answer) -> Float[np.ndarray, "query cls"]:
    """ln p of every class in float64, from the logits where they are answered; -inf where a confidence is 0.

    Raises:
        OracleError: only labels were answered.
    """
    if answer.logit is not None:
        return log_softmax(np.asarray(answer.logit, np.float64), axis=1)
    if answer.probability is None:
        raise OracleError("the victim answers with labels alone: choose an attack on labels, such as lowd-meek.")
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(answer.probability, np.float64))


def fill_withheld(probability: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "query cls"]:
    """Confidences of which those withheld (NaN) share equally what the others leave."""
    withheld = np.isnan(probability)
    rest = (1 - np.nansum(probability, axis=1)).clip(min=0) / np.maximum(withheld.sum(axis=1), 1)
    return np.where(withheld, rest[:, None], probability)


def widths(inputs: Inputs, share: float) -> Float[np.ndarray, "feature"]:
    """A share of each feature's range, and no less than float64 resolves there.

    Half of what is wider than four neighbouring numbers is at least two, and the middle of that is neither of its ends.
    """
    low, high = inputs.low.ravel(), inputs.high.ravel()
    return np.maximum(share * (high - low), 4 * np.spacing(np.maximum(np.abs(low), np.abs(high))))


def require(attack: ExtractionAttack, oracle: Oracle, pool: Shaped[np.ndarray, "record *feature"] | None) -> None:
    """Refuse what cannot work before anything is asked.

    Raises:
        InputError: an access level or a pool that the attack cannot work with; classes that are withheld from an attack that
            needs ``every_class``, or one class with a confidence of 1.
    """
    access = oracle.access
    if access.level not in attack.levels:
        raise InputError(
            f"{attack.name} cannot work with {access.level} answers: it needs {' or '.join(attack.levels)} answers; "
            + ("choose adaptive-retraining, or lowd-meek." if access.level == "label" else "choose hypotheses.")
        )
    if attack.pool and pool is None:
        raise InputError(f"{attack.name} starts from records of the attacker's own: give a pool.")
    if pool is not None and pool.shape[1:] != access.inputs.shape:
        raise InputError(
            f"pool has records of shape {pool.shape[1:]} and the victim takes {access.inputs.shape}: give such records."
        )
    if not getattr(attack, "every_class", False):
        return
    if access.top and access.top < access.classes:
        raise InputError(
            f"{attack.name} needs every class and this victim answers the top {access.top} of {access.classes}: "
            "choose rounded, or retraining."
        )
    if access.level == "probability" and access.classes < 2:
        raise InputError("classes is 1 and level is probability: one class has no odds; ask a regressor's logit.")


def too_small(attack: ExtractionAttack, access: Access, refusal: BudgetSpent) -> InputError:
    """What to raise where the budget ended before anything was learnt."""
    return InputError(f"{refusal} {attack.name} needs at least {attack.needs(access):,} queries for this victim.")


class Part(NamedTuple, Generic[Reply]):
    """The answer to the first ``count`` queries, None where there are none, and why not to all."""

    answer: Reply | None
    count: int
    refusal: BudgetSpent | None


def ask_most(ask: Callable[[np.ndarray], Reply], x: np.ndarray) -> Part[Reply]:
    """Ask as many of the first queries as every budget holds.

    There may be two: the attacker's own, and the service's for its key, which is known only when it refuses.
    """
    count, first = len(x), None
    while count:
        try:
            return Part(ask(x[:count]), count, first)
        except BudgetSpent as refusal:
            first = first or refusal
            count = min(refusal.left, count - 1)
    return Part(None, 0, first)
