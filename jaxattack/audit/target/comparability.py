"""What makes target and references comparable: both answer on the same terms, and the same is read of both.

What a service cut of its answers its references must lack too, or the cut is taken for membership: a confidence rounded to
1 beside references that say .999999 makes every well-learnt record look forgotten. So references answer behind the defences
that do to their answers what was done to the target's:

    labels alone                      LabelOnly
    the k highest classes             TopK(k)
    so many decimals                  Round(decimals), whether the service says so or its answers show it
    answers of 0 or 1                 Round, at the smallest step that the answers tell from 0

Raw outputs and confidences that nothing cut give the same signals, but for those that a shift of the raw outputs changes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import softmax

from jaxattack.audit.confidences import bounded_logits, read_confidences
from jaxattack.audit.target.answers import TargetAnswers
from jaxattack.defences import LabelOnly, Round, TopK
from jaxattack.signals import Correct, Outputs
from jaxattack.signals.scores import TINY
from jaxattack.types import (
    Answer,
    Defence,
    Level,
    MembershipAttack,
    Signal,
    afterwards,
    resolution_behind,
    sees,
)

_SMALLEST = float(np.finfo(np.float32).smallest_subnormal)
"""Of the confidences that raw outputs tell from 0: of target and references alike, whatever their type."""


def imitation(
    answers: TargetAnswers,
    label: Int[np.ndarray, "record"],
    references: Float[np.ndarray, "model record query cls"] | None = None,
) -> tuple[Defence, ...]:
    """The defences behind which references answer as the target does, and the target as they do.

    Args:
        answers: of the target.
        label: the true class of each record.
        references: confidences of references; None where they are trained or give raw outputs.

    Raises:
        InputError: confidences are none.
    """
    if answers.level == "label":
        return (LabelOnly(),)
    known = [] if references is None else [decimals_of("the references", references, label)]
    probability = answers.answer.probability
    if answers.level == "probability" and probability is not None:
        own = decimals_of(answers.name, probability[None], label)
        known.append(own if answers.decimals is None else answers.decimals)
    decimals = min((one for one in known if one is not None), default=None)
    return (
        *(() if decimals is None else (Round(decimals=decimals),)),
        *((TopK(k=answers.top),) if answers.top else ()),
    )


def decimals_of(
    name: str, probability: Float[np.ndarray, "model record query cls"], label: Int[np.ndarray, "record"]
) -> int | None:
    """To how many decimals confidences are known, by themselves; None where nothing cut them.

    Raises:
        InputError: they are none.
    """
    read = read_confidences(name, "probability", probability, label)
    if read.decimals is not None or not read.saturated():
        return read.decimals
    return min(math.ceil(-math.log10(read.step)), 17)


class AnswerView(Outputs):
    """Answers that were written down, as a view of the model that gave them."""

    def __init__(self, answer: Answer, floor: float):
        """Wrap answers, ["record"] or ["record cls"]; the floor is the smallest confidence that they tell from 0."""
        self._answer, self.floor = answer, floor

    def answer(self, x: jax.Array, repetition: jax.Array | None = None) -> Answer:  # noqa: ARG002 (they are of whatever was asked)
        """The answers."""
        return self._answer


def readable_signals(signals: Iterable[Signal], level: Level) -> tuple[Signal, ...]:
    """Those that are read of one answer at a level: nothing else can be read of what is written down."""
    return tuple(signal for signal in signals if sees(signal, level) and signal.queries == 1 and not afterwards(signal))


def able_attacks(
    attacks: Mapping[str, MembershipAttack], names: Collection[str]
) -> tuple[dict[str, MembershipAttack], tuple[str, ...]]:
    """The attacks that read nothing but these signals, and in sentences which are not run and why."""
    lacking = {
        name: ", ".join(signal.name for signal in attack.signals if signal.name not in names)
        for name, attack in attacks.items()
    }
    reasons: dict[str, list[str]] = {}
    for name, signals in lacking.items():
        if signals:
            reasons.setdefault(signals, []).append(name)
    notes = tuple(
        f"These attacks are not run, because the target's answers do not allow {signals}: {', '.join(those)}."
        for signals, those in reasons.items()
    )
    return {name: attack for name, attack in attacks.items() if not lacking[name]}, notes


def signals_of(
    answer: Answer, defences: Sequence[Defence], signals: Iterable[Signal], label: Int[np.ndarray, "record"]
) -> tuple[dict[str, Float[np.ndarray, "1 record query *value"]], Bool[np.ndarray, "record"]]:
    """What is read of one model's answers behind defences that change nothing twice.

    Args:
        answer: to every view of every record, ["record query"] or ["record query cls"].
        defences: that do to it what was done to the others' answers; none that draws or learns.
        signals: what is read.
        label: the true class of each record.

    Returns:
        The signals, and the records of which one is NaN or infinite.
    """
    scores = answer.probability if answer.logit is None else answer.logit
    floor = floor_of(defences, 1 if scores is None else scores.shape[-1])
    views = answer.label.shape[1]
    if answer.logit is not None and np.isneginf(answer.logit).any():  # classes that cannot be are masked so
        answer = answer._replace(logit=bounded_logits(answer.logit, label, _SMALLEST))
    by_view = [
        _read(defend(answer.take(np.s_[:, view]), defences), floor, tuple(signals), label) for view in range(views)
    ]
    stacked = {name: np.stack([one[name] for one in by_view], axis=1)[None] for name in by_view[0]}
    if Correct().name in stacked:
        stacked[Correct().name] = stacked[Correct().name][:, :, :1]  # of the record itself, as a sweep keeps it
    bad = np.zeros(len(label), bool)
    for values in stacked.values():
        bad |= ~np.isfinite(values[0]).reshape(len(label), -1).all(axis=1)
    return stacked, bad


def as_confidences(answer: Answer) -> Answer:
    """Answers whose raw outputs are told as confidences."""
    if answer.probability is not None or answer.logit is None:
        return Answer(answer.label, answer.probability)
    return Answer(answer.label, np.asarray(softmax(answer.logit.astype(np.float64), axis=-1)))


def floor_of(defences: Iterable[Defence], classes: int) -> float:
    """The smallest confidence that answers of so many classes tell from 0 behind defences, as a network's do."""
    return max(TINY, resolution_behind(defences, classes))


def defend(answer: Answer, defences: Sequence[Defence]) -> Answer:
    """Answers behind defences, which are handed confidences."""
    return reduce(
        lambda one, defence: defence.answer((), one, None, None),
        defences,
        as_confidences(answer) if defences else answer,
    )


def _read(
    answer: Answer, floor: float, signals: tuple[Signal, ...], label: Int[np.ndarray, "record"]
) -> dict[str, np.ndarray]:
    traced: Any = Answer(*(None if part is None else jnp.asarray(part) for part in answer))  # type: ignore[arg-type]
    view = AnswerView(traced, floor)
    y = jnp.asarray(label)
    return {signal.name: np.asarray(signal(view, y, y, None)) for signal in signals}
