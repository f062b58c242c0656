"""What is tested on what; all that decides an audit of ownership."""

from __future__ import annotations

from dataclasses import field

from jaxattack.attacks.naming import label, labelled
from jaxattack.attacks.ownership import ATTACKS
from jaxattack.audit.model_source import EXAMPLE
from jaxattack.models import Architecture
from jaxattack.models.source import ModelSource
from jaxattack.training import check_seed
from jaxattack.training.alone import check_alone
from jaxattack.training.copies import COPIES, Copy
from jaxattack.training.learners import Standard
from jaxattack.types import Dataset, InputError, Learner, OwnershipTest, at_least, config


@config
class OwnershipAudit:
    """Tests of ownership, and the suspects that they are held against; all that decides the findings.

    Attributes:
        model: what the owner's model is, as `jaxattack.models.source` says; most suspects are of it too.
        dataset: the records: the owner's, those held out, and those of the public, from which thieves and independent people
            draw theirs.
        learner: how the owner's model learns; copies that are trained from scratch follow its recipe.
        tests: of ownership.
        copies: how thieves make their models.
        seeds: copies of each kind.
        independents: models of the owner's architecture, each on as many records of the public as the owner has; at least 2.
        others: independent models of another architecture, which no test is calibrated on.
        overlapping: models of people part of whose records are the owner's; they are reported apart.
        overlap: that part, above 0 and at most 1.
        other: the other architecture, by name.
        references: that the owner trains himself for tests that need some, on records of the public.
        surrogates: copies that the owner makes himself of each of two kinds, for tests that need some.
        members: records of the owner; a quarter of all by default.
        held_out: records that nobody is trained on; a fifth of all by default.
        records: use this many of the data set, chosen at random; all by default.
        seed: decides everything random.

    Raises:
        InputError: a value of another kind or out of range, no tests or copies, or two of one name.
    """

    model: ModelSource = field(metadata={"example": EXAMPLE})
    dataset: Dataset = field(repr=False, metadata={"example": "jaxattack.load('digits')"})
    learner: Learner = field(
        default=Standard(), metadata={"example": "jaxattack.learners.Standard(recipe=jaxattack.Recipe(epochs=30))"}
    )
    tests: tuple[OwnershipTest, ...] = field(
        default=tuple(ATTACKS.values()), metadata={"example": "(jaxattack.attacks.ownership.Rank(),)"}
    )
    copies: tuple[Copy, ...] = field(
        default=tuple(COPIES.values()), metadata={"example": "(jaxattack.training.copies.FineTuned(),)"}
    )
    seeds: int = 3
    independents: int = 30
    others: int = 10
    overlapping: int = 3
    overlap: float = 0.5
    other: str = "mlp:64-64"
    references: int = 39
    surrogates: int = 4
    members: int | None = None
    held_out: int | None = None
    records: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(1, seeds=self.seeds, references=self.references, surrogates=self.surrogates)
        at_least(2, independents=self.independents, members=self.members, held_out=self.held_out)
        at_least(0, others=self.others, overlapping=self.overlapping)
        check_seed(self.seed)
        check_alone(self.learner)
        Architecture(name=self.other)
        if not 0 < self.overlap <= 1:
            raise InputError(
                f"overlap is {self.overlap}: give the share of records that are the owner's, above 0 and at most 1."
            )
        for name, registry in (("tests", ATTACKS), ("copies", COPIES)):
            if not getattr(self, name):
                raise InputError(f"{name} is (): give at least one, as {next(iter(registry))}.")
            object.__setattr__(self, name, tuple(labelled(getattr(self, name), registry).values()))

    @property
    def by_test(self) -> dict[str, OwnershipTest]:
        """The tests by what they are called."""
        return {label(test, ATTACKS): test for test in self.tests}

    @property
    def by_copy(self) -> dict[str, Copy]:
        """The ways of thieves by what they are called."""
        return {label(copy, COPIES): copy for copy in self.copies}
