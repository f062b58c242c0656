"""Defences of answers, as values: what stands between a model and whoever asks it, in a sweep and around an oracle.

round         so many decimals
top           the k highest scores
label         the label alone
temperature   softmax(logit / temperature)
noise         Gaussian noise, fresh or belonging to the record
hamp          the scores of random inputs, in the record's own order
memguard      moved until a learnt classifier of members is undecided
reverse-sigmoid   less a sigmoid of themselves
mad           moved to where they mislead a thief's gradient
purifier      those of an autoencoder that knows no member, labels exchanged
magnet        of reformed queries; what looks unlike the records is refused
squeeze       what is answered otherwise when it is squeezed is refused
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from jaxattack.defences.hamp import HAMP
from jaxattack.defences.label_only import LabelOnly
from jaxattack.defences.magnet import MagNet
from jaxattack.defences.memguard import MemGuard
from jaxattack.defences.noise import Noise
from jaxattack.defences.prediction_poisoning import PredictionPoisoning
from jaxattack.defences.purifier import Purifier
from jaxattack.defences.reverse_sigmoid import ReverseSigmoid
from jaxattack.defences.round import Round
from jaxattack.defences.squeeze import FeatureSqueezing
from jaxattack.defences.temperature import Temperature
from jaxattack.defences.top_k import TopK
from jaxattack.own_code import own_code
from jaxattack.types import Access, Defence, InputError, RecognisingDefence

DEFENCES: dict[str, Defence] = {
    "round": Round(),
    "top": TopK(),
    "label": LabelOnly(),
    "temperature": Temperature(),
    "noise": Noise(),
    "hamp": HAMP(),
    "memguard": MemGuard(),
    "reverse-sigmoid": ReverseSigmoid(),
    "mad": PredictionPoisoning(),
    "purifier": Purifier(),
    "magnet": MagNet(),
    "squeeze": FeatureSqueezing(),
}


def terms_behind(defences: Iterable[Defence], before: Access) -> Access:
    """The terms of answers behind defences, the first nearest to the model.

    Raises:
        InputError: one can do nothing with what the one before it answers.
    """
    access, fresh = before, False
    for defence in defences:
        require_repetition(defence, fresh=fresh)
        access, fresh = defence.access(access), fresh or defence.fresh
    return access


def require_repetition(defence: Defence, *, fresh: bool) -> None:
    """Refuse a defence that knows answers again behind one that draws each afresh: it would know none.

    Args:
        defence: that is to come next.
        fresh: whether one before it draws afresh.

    Raises:
        InputError: it would do nothing.
    """
    if fresh and isinstance(defence, RecognisingDefence) and defence.recognises:
        raise InputError(
            f"{defence!r} knows answers again, and one before it draws each afresh, so that it would know none: put it first, or "
            "take noise that belongs to the record (noise?by_record=true)."
        )


def describe(defence: Defence) -> dict[str, Any]:
    """A defence as plain values that decide its answers, as JSON has them."""
    settings = {field.name: getattr(defence, field.name) for field in fields(defence)}  # pyright: ignore[reportArgumentType]
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    return {"name": type(defence).__name__, **plain, **own_code(defence)}


__all__ = [
    "DEFENCES",
    "HAMP",
    "FeatureSqueezing",
    "LabelOnly",
    "MagNet",
    "MemGuard",
    "Noise",
    "PredictionPoisoning",
    "Purifier",
    "ReverseSigmoid",
    "Round",
    "Temperature",
    "TopK",
    "describe",
    "require_repetition",
    "terms_behind",
]
