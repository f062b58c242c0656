"""What a poisoning audit makes, trains and asks."""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Any

from jaxattack.attacks.naming import label
from jaxattack.attacks.poisoning import ATTACKS, BadNets, RandomFlips
from jaxattack.audit.model_source import EXAMPLE
from jaxattack.audit.records import Standardise
from jaxattack.audit.session import settings
from jaxattack.data.sanitise import Sanitise
from jaxattack.models.source import ModelSource
from jaxattack.training import check_seed, learners
from jaxattack.training.learners import Standard
from jaxattack.types import Dataset, InputError, Learner, PoisonAttack, at_least, config, reserving


@config
class PoisonAudit:
    """Which poison is tried on which training; all that decides the findings.

    Attributes:
        model: what every victim is, as `jaxattack.models.source` says.
        dataset: the records: half are trained on, a quarter is the attacker's own, a quarter judges.
        attacks: what makes the poison.
        learner: how every victim learns.
        shares: of poison, of the number of clean training records, each above 0, at most 1; at least one record.
        seeds: victims trained from scratch on the same records.
        targets: records that shall be taken for another class, for the targeted attacks.
        sanitise: filters of the training set, each beside none.
        frozen: victims train a last layer alone, on the features of a network that was trained on the attacker's records and
            that the attacker has.
        leakage: models of a sweep that shows what a backdoor does to membership; 0 for none, else at least 8.
        records: use this many of the records, chosen at random; all by default.
        standardise: members, for columns of a table far from one scale: put on that of the clean training set; or none.
        seed: decides everything random.

    Raises:
        InputError: a value out of range, two attacks or filters of one name, or a learner that has records set aside.
    """

    model: ModelSource = field(metadata={"example": EXAMPLE})
    dataset: Dataset = field(repr=False, metadata={"example": "jaxattack.load('digits')"})
    attacks: tuple[PoisonAttack, ...] = field(
        default=(RandomFlips(), BadNets()), metadata={"example": "(jaxattack.attacks.poisoning.BadNets(),)"}
    )
    learner: Learner = field(
        default=Standard(), metadata={"example": "jaxattack.learners.Standard(recipe=jaxattack.Recipe(epochs=30))"}
    )
    shares: tuple[float, ...] = (0.01, 0.03, 0.1)
    seeds: int = 8
    targets: int = 4
    sanitise: tuple[Sanitise, ...] = field(default=(), metadata={"example": "(jaxattack.data.sanitise.Sanitise(),)"})
    frozen: bool = False
    leakage: int = 0
    records: int | None = None
    standardise: Standardise = "members"
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        at_least(1, seeds=self.seeds, targets=self.targets)
        at_least(0, leakage=self.leakage)
        if 0 < self.leakage < 8:
            raise InputError(f"leakage is {self.leakage}: give 0, or at least 8 models.")
        if not self.attacks:
            raise InputError("attacks is (): give at least one, as (jaxattack.attacks.poisoning.BadNets(),).")
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise InputError(f"shares is {self.shares}: give shares of the training set above 0, at most 1, as 0.03.")
        for what, names in (("attacks", self.names), ("sanitise", [each.name for each in self.sanitise])):
            if len({*names}) < len(names):
                raise InputError(f"{what} has {', '.join(names)}: name each once.")
        if reserving(self.learner):
            raise InputError(
                f"{type(self.learner).__name__} has records set aside, beside which none are poisoned: choose another."
            )

    @property
    def names(self) -> list[str]:
        """What each attack is reported by."""
        return [label(attack, ATTACKS) for attack in self.attacks]

    @property
    def targeted(self) -> bool:
        """Whether some attack is after single records."""
        return any(attack.goal == "targeted" for attack in self.attacks)

    def words(self) -> dict[str, Any]:
        """What is asked for but for the model and the records, as plain values."""
        return {
            "attacks": {name: settings(attack) for name, attack in zip(self.names, self.attacks, strict=True)},
            "recipe": asdict(self.learner.recipe),
            **learners.identity(self.learner, 0),
            "shares": sorted({*self.shares}),
            "seeds": self.seeds,
            "targets": self.targets if self.targeted else None,
            "sanitise": {each.name: settings(each) for each in self.sanitise},
            "frozen": self.frozen,
            "records": self.records,
            "standardise": self.standardise,
            "seed": self.seed,
        }
