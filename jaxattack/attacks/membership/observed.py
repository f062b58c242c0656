"""What an attack reads from observations, checked: signals, targets and enough reference models.

Every attack takes its input through these functions, so that all refuse the same inputs in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.types import InputError, Observations, Side

FEWEST_MODELS = 3  # one target leaves two references, such as a complementary pair
SHOWN = 5  # record indices listed in a message


def read_signal(observations: Observations, name: str) -> Float[np.ndarray, "model record query"]:
    """One signal of every model, finite and of the shape that the member matrix asks for.

    Raises:
        InputError: the signal was not observed, has another shape, or is NaN or infinite somewhere.
    """
    signal = np.asarray(observations.signal(name))
    if signal.ndim != 3 or signal.shape[:2] != observations.member.shape or not signal.shape[2]:
        raise InputError(
            f"signal {name!r} has shape {signal.shape} and member {observations.member.shape}: "
            "give the signal as [model, record, query], with a model and a record for each of member's."
        )
    # A model at a time: a mask of the whole signal would take a quarter of its memory.
    bad = [model for model in range(len(signal)) if not np.isfinite(signal[model]).all()]
    if bad:
        raise InputError(
            f"signal {name!r} is NaN or infinite in {len(bad)} models, the first of them model {bad[0]}: "
            "drop the models that diverged, or compute the signal from logits in log space."
        )
    return signal


def read_targets(observations: Observations, targets: Sequence[int] | None) -> Int[np.ndarray, "target"]:
    """The models under attack: those asked for, or all.

    Raises:
        InputError: no such model, or one named twice.
    """
    if targets is None:
        return np.arange(observations.models)
    chosen = np.asarray(targets)
    if chosen.ndim != 1 or not len(chosen) or not np.issubdtype(chosen.dtype, np.integer):
        raise InputError(f"targets is {targets}: give the indices of the models to attack, such as [0].")
    if chosen.min() < 0 or chosen.max() >= observations.models or len(np.unique(chosen)) < len(chosen):
        raise InputError(f"targets is {targets}: name each model once, from 0 to {observations.models - 1}.")
    return chosen


def require_models(observations: Observations, attack: str) -> None:
    """Refuses fewer models than an attack with references needs.

    Raises:
        InputError: fewer than three models.
    """
    if observations.models < FEWEST_MODELS:
        raise InputError(
            f"{attack} needs reference models and there are {observations.models} models in all: "
            f"observe at least {FEWEST_MODELS}, or choose an attack that does without, such as loss."
        )


def lacking(
    member: Bool[np.ndarray, "model record"], targets: Int[np.ndarray, "target"], needs: Mapping[Side, int]
) -> dict[Side, Bool[np.ndarray, "record"]]:
    """The records that some target leaves with too few references, by the side of membership.

    Args:
        member: who was trained on what.
        targets: the models under attack; a target is no reference of its own.
        needs: how many references a record needs on each side, as `MembershipAttack.needs` says.
    """
    short = {}
    for side, least in needs.items():
        there = member if side == "in" else ~member
        count = there.sum(axis=0)
        short[side] = (count < least) | ((count == least) & there[targets].any(axis=0))
    return short


def require_references(
    member: Bool[np.ndarray, "model record"],
    targets: Int[np.ndarray, "target"],
    needs: Mapping[Side, int],
    attack: str,
) -> None:
    """Refuses records that some target leaves with too few references on one side of membership.

    Args:
        member: who was trained on what.
        targets: the models under attack.
        needs: as `lacking`.
        attack: the attack's name, for the message.

    Raises:
        InputError: which records, how many, and the remedy.
    """
    for side, short in lacking(member, targets, needs).items():
        if short.any():
            raise InputError(f"{attack} cannot score {too_few(side, needs[side], short)}.")


def too_few(side: Side, least: int, short: Bool[np.ndarray, "record"]) -> str:
    """In words, which records have too few references on a side, and the remedy."""
    bad = np.flatnonzero(short)
    listed = ", ".join(map(str, bad[:SHOWN])) + (", ..." if len(bad) > SHOWN else "")
    relation = "members" if side == "in" else "non-members"
    remedy = "choose an offline attack" if side == "in" else "choose an attack without references"
    return (
        f"{len(bad)} of {len(short)} records ({listed}), which are {relation} of fewer than {least} of some target's "
        f"reference models: {remedy}, or train more models"
    )
