"""On which terms a victim answers: words, and the defences and the rate that they mean."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Annotated, Any

from jaxattack.audit import Victim
from jaxattack.cli.output import flat
from jaxattack.cli.values import DefenceNames, defences_from
from jaxattack.defences import LabelOnly, Noise, Round, Temperature, TopK
from jaxattack.oracle import limited
from jaxattack.types import Defence, InputError, Level, Precision, above_zero, at_least, config


@config
class Terms:
    """On which terms a victim answers.

    Attributes:
        level: label, probability or logit; as much as its kind usually answers by default.
        top: only the so many most likely classes; 0 for all.
        decimals: round confidences to so many decimals.
        temperature: confidences of the logits divided by this.
        noise: standard deviation of normal noise on confidences or logits.
        rate: queries a second, at most.
        precision: the arithmetic of a network of this package: float64, float32 or bfloat16; float64 by default.
        defend: names in `jaxattack.defences.DEFENCES`, which may set fields, before all of these. One that learns needs the
            victim's own records.

    Raises:
        InputError: an unknown defence, or a value of one out of range.
    """

    level: Level | None = None
    top: int = 0
    decimals: int | None = None
    temperature: float = 1.0
    noise: float = 0.0
    rate: float | None = None
    precision: Precision | None = None
    defend: DefenceNames = ()

    def __post_init__(self) -> None:
        at_least(0, top=self.top)
        if not 0 <= self.noise < math.inf:
            raise InputError(f"noise is {self.noise}: give a standard deviation of at least 0.")
        if self.rate is not None:
            above_zero(rate=self.rate)
        _ = self.defences  # each refuses what is out of its range

    @property
    def settings(self) -> dict[str, Any]:
        """The words, for the name of a run's folder."""
        words = asdict(self)
        if not self.defend:
            del words["defend"]
        return words

    @property
    def defences(self) -> tuple[Defence, ...]:
        """What the words mean, in the order in which a service applies them.

        Raises:
            InputError: an unknown defence, or a value out of range.
        """
        return (
            *defences_from(self.defend),
            *((Temperature(temperature=self.temperature),) if self.temperature != 1 else ()),
            *((Noise(scale=self.noise),) if self.noise else ()),
            *((TopK(k=self.top),) if self.top else ()),
            *((Round(decimals=self.decimals),) if self.decimals is not None else ()),
        )


TermOptions = Annotated[Terms, flat("What the victim answers")]


def on_terms(victim: Victim, terms: Terms, seed: int = 0) -> Victim:
    """A victim that answers on such terms.

    Args:
        victim: as it was opened, at the level and precision of the terms.
        terms: what it is to answer.
        seed: decides everything random about its defences.

    Raises:
        InputError: a value out of range, or a defence that the victim's answers do not allow.
    """
    for name, word in (("level", terms.level), ("precision", terms.precision)):
        own = getattr(victim.oracle.access, name)
        if word not in (None, "label", own):
            raise InputError(f"{name} is {word!r} and the victim answers with {own}: open it with {name}={word!r}.")
    behind = victim.behind(terms.defences, seed=seed)
    if terms.level == "label" and behind.oracle.access.level != "label":
        behind = behind.behind((LabelOnly(),), seed=seed)
    return behind if terms.rate is None else replace(behind, oracle=limited(behind.oracle, terms.rate))
