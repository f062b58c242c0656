"""A linear victim whose questions and answers are encrypted: what that hides from whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction import Softmax, log_probability, uniform
from jaxattack.audit.victim import Victim
from jaxattack.oracle.encryption import CKKS, encrypted
from jaxattack.oracle.ledger import PRICE
from jaxattack.types import Answer, InputError, Inputs

NOTE = (
    "Questions and answers are encrypted: that hides the questions from the service, and nothing of the model from whoever asks, "
    "who decrypts every answer."
)
"""What a report says of it."""


def under_encryption(victim: Victim, scheme: CKKS | None = None, *, price: float = PRICE) -> Victim:
    """A linear victim, asked under encryption; the twin, which judges, answers as before.

    Args:
        victim: whose answers, as full as they can be, are affine in the record: linear, logistic and softmax regressions.
        scheme: of encryption; None for `CKKS` with its defaults.
        price: of a query, in dollars.

    Raises:
        InputError: it is not linear, nothing but its answers is known, or TenSEAL is not installed.
    """
    if victim.twin is None:
        raise InputError(f"{victim.name} is known by its answers alone, which nobody here can encrypt: give its model.")
    inputs = victim.oracle.access.inputs
    weight, offset = affine(victim.twin, inputs, victim.name)
    scheme = CKKS() if scheme is None else scheme
    return replace(
        victim,
        oracle=encrypted(weight, offset, inputs=inputs, scheme=scheme, price=price),
        attack=victim.attack if isinstance(victim.attack, Softmax) else Softmax(),
        transport=f"under encryption (CKKS, degree {scheme.degree:,}, scale 2^{scheme.scale}), {victim.transport}",
        notes=(*victim.notes, NOTE),
    )


def affine(
    twin: Callable[[np.ndarray], Answer], inputs: Inputs, name: str
) -> tuple[Float[np.ndarray, "feature cls"], Float[np.ndarray, "cls"]]:
    """The weights and offsets of scores that are affine in the record; of probabilities up to a shift shared by the classes.

    They are read off along each feature's range, and tried on 100 random inputs.

    Raises:
        InputError: the scores are not affine.
    """
    middle, half = (inputs.low + inputs.high) / 2, (inputs.high - inputs.low).ravel() / 2
    half = np.where(half > 0, half, 1.0)
    steps = (np.diag(half)).reshape(-1, *inputs.shape)
    up, down, centre = (_scores(twin, x) for x in (middle + steps, middle - steps, middle[np.newaxis]))
    with np.errstate(invalid="ignore"):
        weight = (up - down) / (2 * half[:, np.newaxis])
        offset = centre[0] - middle.ravel() @ weight
        fresh = uniform(inputs, 100, np.random.default_rng(0))
        scores = _scores(twin, fresh)
        apart = np.abs(fresh.reshape(len(fresh), -1) @ weight + offset - scores)
    if not (np.isfinite(scores).all() and (apart <= 1e-6 * (1 + np.abs(scores).max())).all()):
        raise InputError(
            f"{name} is not linear, and only linear models are asked under encryption: give a softmax or logistic."
        )
    return weight, offset


def _scores(twin: Callable[[np.ndarray], Answer], x: np.ndarray) -> Float[np.ndarray, "query cls"]:
    answer = twin(x)
    if answer.logit is not None:
        return np.asarray(answer.logit, np.float64)
    logs = log_probability(answer)
    with np.errstate(invalid="ignore"):  # of a confidence of 0, which is no linear model's
        return logs - logs.mean(axis=1, keepdims=True)
