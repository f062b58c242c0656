"""Any attack with fewer references than there are models, every model still a target.

In a design of complementary pairs each record is in one model of a pair and out of the other. K pairs that do not hold the
target therefore give every record exactly K references trained on it and K that were not, whether the target was trained
on it or not, which is how Zarifzadeh et al. 2024 (arXiv 2312.03262) count 1, 2 and 4 references.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.membership.complements import complement_groups
from jaxattack.attacks.membership.observed import read_targets
from jaxattack.attacks.naming import label
from jaxattack.types import InputError, MembershipAttack, Needs, Observations, Signal, config


@config
class FewReferences:
    """An attack whose references are a few complementary pairs: those that follow the target's own, in a circle.

    Attributes:
        attack: any attack with references.
        pairs: how many pairs, K: a record has K references on either side of membership. At least 1.

    Raises:
        InputError: no pairs, or an attack without references.
    """

    references = True

    attack: MembershipAttack
    pairs: int

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise InputError(f"pairs is {self.pairs}: give at least 1 pair of reference models.")
        if not self.attack.references:
            raise InputError(f"attack is {self.attack.name}, which has no references: give one that has.")

    @property
    def name(self) -> str:
        """The attack's label, and the number of pairs."""
        from jaxattack.attacks.membership import REGISTRY  # whose package imports this module

        return f"{label(self.attack, REGISTRY)}-{self.pairs}"

    @property
    def paper(self) -> str:
        """Of the attack."""
        attack: Any = self.attack
        return attack.paper

    @property
    def family(self) -> str:
        """That of the attack."""
        return self.attack.family

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Those of the attack."""
        return self.attack.signals

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """Nothing of a record: complementary pairs give every record as many references a side as there are pairs."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target.

        Args:
            observations: of complementary pairs, at least one more than ``pairs``.
            targets: the models under attack; all by default.

        Raises:
            InputError: another design, too few models, or what the attack itself refuses.
        """
        models = read_targets(observations, targets)
        if observations.models // 2 <= self.pairs:
            raise InputError(
                f"{self.name} needs {self.pairs + 1} pairs of models and there are {observations.models} models: observe more."
            )
        group, side = complement_groups(observations.member)
        pairs = np.argsort(group, kind="stable").reshape(-1, 2) if observations.models % 2 == 0 else None
        if pairs is None or (np.bincount(group) != 2).any() or (side[pairs].sum(axis=1) != 0).any():
            raise InputError(f"{self.name} needs models in complementary pairs: train them with the design halves.")
        read = observations.only(self.signals)
        return np.concatenate([self._score(read, int(target), pairs, int(group[target])) for target in models])

    def _score(
        self, observations: Observations, target: int, pairs: Int[np.ndarray, "pair 2"], own: int
    ) -> Float[np.ndarray, "1 record"]:
        references = pairs[(own + 1 + np.arange(self.pairs)) % len(pairs)].ravel()
        return self.attack(observations.take(np.append(references, target)), targets=[2 * self.pairs])
