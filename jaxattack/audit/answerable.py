"""Which attacks the answers of a defended victim allow, decided before anything is trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from jaxattack.signals import Phi
from jaxattack.types import (
    DistilledSignal,
    ImitationSignal,
    InputError,
    MembershipAttack,
    OptimisedSignal,
    ProxySignal,
    Signal,
)


class Answerable(NamedTuple):
    """What can be run.

    Attributes:
        attacks: those that read nothing but what is answered.
        notes: what is not run and why, in sentences.
    """

    attacks: dict[str, MembershipAttack]
    notes: tuple[str, ...]


def answerable(
    attacks: Mapping[str, MembershipAttack], available: Collection[str], defences: Sequence[Any]
) -> Answerable:
    """Decide which attacks can be run on what was observed behind defences.

    Args:
        attacks: each under the name it is reported by.
        available: names of the signals that the answers allow.
        defences: what stands before the answers; where there is none, every attack is taken and refuses by itself.

    Raises:
        InputError: no attack can be run.
    """
    if not defences:
        return Answerable(dict(attacks), ())
    refused: dict[str, list[str]] = {}
    for name, attack in attacks.items():
        lacking = [signal.name for signal in attack.signals if _read(signal).name not in available]
        if lacking:
            refused.setdefault(", ".join(lacking), []).append(name)
    notes = [
        f"These attacks are not run, because the defended answers do not allow {lacking}: {', '.join(names)}."
        for lacking, names in refused.items()
    ]
    lacking = {name for names in refused.values() for name in names}
    able = {name: attack for name, attack in attacks.items() if name not in lacking}
    if not able:
        raise InputError(
            f"no attack can be run: {' '.join(notes).removesuffix('.')}; name gap, which reads labels alone."
        )
    return Answerable(able, tuple(notes))


def _read(signal: Signal) -> Signal:
    """What is read of an answer: of queries that are optimised first, and of proxies, what is read of each; of a student's teacher, phi."""
    if isinstance(signal, DistilledSignal | ImitationSignal):
        return Phi()
    return signal.reads if isinstance(signal, OptimisedSignal | ProxySignal) else signal
