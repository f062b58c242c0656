"""Labels of noisy copies, the noise as large as serves best on a shadow (Choquette-Choo et al. 2021, arXiv 2007.14321).

    score = share of a record's copies that keep its label; 0 where the record itself is labelled wrong

Copies have Gaussian noise, or each zero and one of a table flipped with a probability. Of a few levels of either the one is
taken whose share has the best balanced accuracy on a shadow model, whose members are known; of several as good the first.
A target need be asked about that level alone. Shares tie at 1 for records that are well learnt, members and others: at low
false-positive rates the attack has nothing to say. The authors' .025 is on pictures of 0 to 1, with values cut to that
range; here pictures are -1 to 1 and nothing is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol, shadows_of
from jaxattack.metrics import advantage, roc_curve
from jaxattack.signals import FlipRobustness, NoiseRobustness
from jaxattack.threads import map_threads
from jaxattack.types import InputError, Needs, Observations, Signal, at_least, config

LEVELS = {"noise": (0.05, 0.1, 0.3), "bit-flips": (0.01, 0.03, 0.06)}
"""Tried by default. On Location-30 (446 bits, 1,200 members, three seeds) flips have an AUC of .875, .899 and .888."""


@config
class LabelOnlyNoise:
    """The share of noisy copies that keep a record's label.

    Attributes:
        kind: "noise", Gaussian, on records as the network takes them; or "bit-flips", of a table's zeros and ones.
        levels: standard deviations, or probabilities of a flip; at least one, each once. None for `LEVELS`.
        copies: noisy copies of a record, at least 1.
        protocol: "independent" or "leave-one-out" (the shadow is model t + 2): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no levels, one that is out of range or there twice, an unknown protocol, or another protocol without a
            shadow.
    """

    paper = "Choquette-Choo et al. 2021, arXiv 2007.14321"
    family = "label-only"

    kind: Literal["noise", "bit-flips"]
    levels: tuple[float, ...] | None = None
    copies: int = 100
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        if self.levels is not None and len(set(self.levels)) < max(len(self.levels), 1):
            raise InputError(f"levels is {self.levels}: give at least one, each once.")
        if self.protocol != PROTOCOLS[0] and not self.references:
            raise InputError(f"protocol is {self.protocol!r} and a single level needs no references: leave it out.")
        most = float("inf") if self.kind == "noise" else 1.0
        if self.levels is not None and not all(0 < level <= most for level in self.levels):
            raise InputError(f"levels is {self.levels}: give each above 0{' and at most 1' if most == 1 else ''}.")
        at_least(1, copies=self.copies)

    @property
    def name(self) -> str:
        """The kind."""
        return self.kind

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The share at every level."""
        levels = LEVELS[self.kind] if self.levels is None else self.levels
        if self.kind == "noise":
            return tuple(NoiseRobustness(copies=self.copies, sigma=level) for level in levels)
        return tuple(FlipRobustness(copies=self.copies, probability=level) for level in levels)

    @property
    def references(self) -> bool:
        """Whether a shadow chooses among several levels."""
        return len(self.signals) > 1

    @property
    def queries(self) -> int:
        """Asked of a target about a record: at the level that a shadow chose alone."""
        return 1 + self.copies

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references: the shadow's own records are enough."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            TooFewReferences: with several levels, fewer than three models.
            InputError: NaN or infinite signals; a shadow without members or without non-members.
        """
        if self.references:
            require_models(observations, self.name)
        shares = np.stack([read_signal(observations, signal)[:, :, 0].astype(np.float64) for signal in self.signals])
        models = read_targets(observations, targets)
        if not self.references:
            return shares[0, models]
        shadows = shadows_of(observations.member, models, self.protocol)

        def level(row: int) -> int:
            shadow = shadows[row]
            inside = shadow.members(observations.member, self.name)
            known = shares[:, shadow.model, shadow.records]
            return int(np.argmax([advantage(roc_curve(share, inside)) for share in known]))

        return shares[map_threads(level, range(len(models))), models]
