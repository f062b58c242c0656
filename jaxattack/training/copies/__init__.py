"""Copies of a victim, made with access to its weights, its records or its answers, and their registry by name.

copying     what a thief has, and what a way to make a copy is
tuned       from the victim's weights: fine-tuned, pruned, adversarially trained, quantised
trained     from scratch: distilled, extracted, retrained
making      all seeds of a kind in one program
"""

from __future__ import annotations

from jaxattack.training.copies.copying import Copy, Holding
from jaxattack.training.copies.from_scratch import Distilled, Extracted, Retrained
from jaxattack.training.copies.from_weights import AdversariallyTuned, FineTuned, Pruned, Quantised
from jaxattack.training.copies.making import Copies, make_copies

_DEFAULTS: tuple[Copy, ...] = (
    FineTuned(layers="last"),
    FineTuned(layers="all"),
    Pruned(),
    Quantised(),
    AdversariallyTuned(),
    Distilled(of="public"),
    Distilled(of="members"),
    Extracted(answers="label"),
    Extracted(answers="logit"),
    Retrained(),
    Retrained(network="mlp:64-64"),
)
COPIES: dict[str, Copy] = {copy.name: copy for copy in _DEFAULTS}

__all__ = [
    "COPIES",
    "AdversariallyTuned",
    "Copies",
    "Copy",
    "Distilled",
    "Extracted",
    "FineTuned",
    "Holding",
    "Pruned",
    "Quantised",
    "Retrained",
    "make_copies",
]
