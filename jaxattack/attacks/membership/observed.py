"""What an attack reads from observations, checked: signals, targets and enough reference models.

Every attack takes its input through these functions, so that all refuse the same inputs in the same words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Integer

from jaxattack.attacks.membership.references import References, TooFewReferences, shared_references
from jaxattack.metrics.clusters import once
from jaxattack.threads import map_threads, record_blocks
from jaxattack.types import InputError, MembershipAttack, Needs, Observations, OptimisedSignal, Side, Signal
from jaxattack.types.floats import widen_floats

FEWEST_MODELS = 3  # one target leaves two references, such as a complementary pair
SHOWN = 5  # record indices listed in a message


def read_signal(observations: Observations, signal: Signal) -> Float[np.ndarray, "model record query"]:
    """One signal of every model, finite and of the shape that the member matrix asks for.

    Raises:
        InputError: the signal was not observed and cannot be asked for, has another shape, or is NaN or infinite somewhere.
    """
    return _read(observations, signal, ("model", "record", "query"))


def read_values(observations: Observations, signal: Signal) -> Float[np.ndarray, "model record query value"]:
    """The same of a signal of several numbers a record.

    Raises:
        InputError: as `read_signal`.
    """
    return _read(observations, signal, ("model", "record", "query", "value"))


def read_answers(
    observations: Observations, signal: OptimisedSignal
) -> tuple[Float[np.ndarray, "model record query"], Int[np.ndarray, "model"]]:
    """What models answered to queries that were optimised on others, and the fold that the queries of each were optimised on.

    Raises:
        InputError: as `read_signal`.
    """
    values = read_values(observations, signal)
    return values[..., 0], values[:, 0, 0, 1].astype(int)


def _read(observations: Observations, signal: Signal, axes: tuple[str, ...]) -> np.ndarray:
    values = np.asarray(observations.of(signal))
    if values.ndim != len(axes) or values.shape[:2] != observations.member.shape or not values[:1, :1].size:
        raise InputError(
            f"signal {signal.name!r} has shape {values.shape} and member {observations.member.shape}: "
            f"give the signal as [{', '.join(axes)}], with a model and a record for each of member's."
        )
    # A model at a time: a mask of the whole signal would take a quarter of its memory.
    bad = [model for model in range(len(values)) if not np.isfinite(values[model]).all()]
    if bad:
        raise InputError(
            f"signal {signal.name!r} is NaN or infinite in {len(bad)} models, the first of them model {bad[0]}: "
            "drop the models that diverged, or compute the signal from logits in log space."
        )
    return values


def scores_of(
    attack: MembershipAttack, observations: Observations, targets: Sequence[int] | None = None
) -> Float[np.ndarray, "target record"]:
    """An attack's scores, checked: attacks of other code may give anything.

    Raises:
        InputError: what the attack refuses; or scores that are no finite numbers, or not one for each target and record.
    """
    scores = widen_floats(np.asarray(attack(observations) if targets is None else attack(observations, targets)))
    shape = (observations.models if targets is None else len(targets), observations.records)
    if scores.shape != shape or scores.dtype.kind not in "fiub":
        raise InputError(
            f"{attack.name} gives scores of dtype {scores.dtype} and shape {scores.shape}, of {shape[0]} targets and {shape[1]} records: "
            "have it give a number for each [target, record]."
        )
    scores = scores if scores.dtype.kind == "f" else scores.astype(np.float64)
    bad = sum(int((~np.isfinite(row)).sum()) for row in scores)  # a row at a time: scores may be many
    if bad:
        raise InputError(
            f"{attack.name} gives {bad} scores that are NaN or infinite: have it drop or bound them, as numpy.nan_to_num does."
        )
    return scores


def read_targets(observations: Observations, targets: Sequence[int] | None) -> Int[np.ndarray, "target"]:
    """The models under attack: those asked for, or all.

    Raises:
        InputError: no such model, or one named twice.
    """
    if targets is None:
        return np.arange(observations.models)
    index = np.asarray(targets)
    if index.ndim != 1 or not len(index) or not np.issubdtype(index.dtype, np.integer):
        raise InputError(f"targets is {targets}: give the indices of the models to attack, such as [0].")
    if index.min() < 0 or index.max() >= observations.models or len(np.unique(index)) < len(index):
        raise InputError(f"targets is {targets}: name each model once, from 0 to {observations.models - 1}.")
    return index


def require_models(observations: Observations, attack: str) -> None:
    """Refuses fewer models than an attack with references needs, and such whose members are not known.

    Raises:
        TooFewReferences: fewer than three models.
        InputError: of some record it is not known whether a model was trained on it.
    """
    observations.require_known()
    if observations.models < FEWEST_MODELS:
        raise TooFewReferences(
            f"{attack} needs reference models and there are {observations.models} models in all: "
            f"observe at least {FEWEST_MODELS}, or choose an attack that does without, such as loss."
        )


def lacking(
    member: Bool[np.ndarray, "model record"], references: References, needs: Needs
) -> dict[Side, tuple[int, Bool[np.ndarray, "record"]]]:
    """The records that some target leaves with too few references.

    Args:
        member: who was trained on what.
        references: of the targets.
        needs: what the attack needs of them.

    Returns:
        By side of membership how many references are needed and which records have fewer. Where a spread is needed and no
        record of some target has two references on a side, that is two and every record.
    """
    short = {}
    for side, least in needs.sides.items():
        fewest, most = _numbers(member, references, side)
        alone = needs.spread and (most < 2).any()
        short[side] = (2, np.ones(len(fewest), bool)) if alone else (least, fewest < least)
    return short


@once
def _numbers(
    member: Bool[np.ndarray, "model record"], references: References, side: Side
) -> tuple[Integer[np.ndarray, "record"], Int[np.ndarray, "set"]]:
    """The fewest references on a side that any target leaves a record with, and the most that a target has of any record."""
    models, shared = member if side == "in" else ~member, shared_references(references)[0]
    number = np.min_scalar_type(len(member))  # one of each record is held for every set of models that is scored

    def counts(block: slice) -> tuple[Integer[np.ndarray, "record"], Int[np.ndarray, "set"]]:
        count = shared.of(block).count(models[:, block])
        return count.min(axis=0).astype(number), count.max(axis=1)

    blocks = record_blocks(max(len(references.targets), len(member)), member.shape[1], 1)
    fewest, most = zip(*map_threads(counts, blocks), strict=True)
    return np.concatenate(fewest), np.max(most, axis=0)


def require_references(
    member: Bool[np.ndarray, "model record"], references: References, needs: Needs, attack: str
) -> dict[Side, Bool[np.ndarray, "model record"]]:
    """The models on each side of membership that an attack reads, every record having enough of them.

    Args:
        member: who was trained on what.
        references: of the targets.
        needs: what the attack needs of them.
        attack: its name, for the message.

    Raises:
        TooFewReferences: which records, how many, and the remedy.
    """
    for side, (least, short) in lacking(member, references, needs).items():
        if short.any():
            raise TooFewReferences(f"{attack} cannot score {too_few(side, least, short)}.")
    return {side: member if side == "in" else ~member for side in needs.sides}


def too_few(side: Side, least: int, short: Bool[np.ndarray, "record"]) -> str:
    """In words, which records have too few references on a side, and the remedy."""
    bad = np.flatnonzero(short)
    listed = ", ".join(map(str, bad[:SHOWN])) + (", ..." if len(bad) > SHOWN else "")
    relation = "members" if side == "in" else "non-members"
    other = "choose an offline attack" if side == "in" and least == 1 else "choose an attack without references"
    return (
        f"{len(bad)} of {len(short)} records ({listed}), which are {relation} of fewer than {least} of some target's "
        f"reference models: {other}, or train more models"
    )
