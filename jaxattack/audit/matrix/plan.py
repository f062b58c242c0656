"""What a matrix is made of: its columns, its rows, and the membership sweep that each column is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Any

from jaxattack.attacks.membership import ATTACKS, by_label
from jaxattack.attacks.membership.threshold import Gap
from jaxattack.audit.model_source import EXAMPLE
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.records import Standardise
from jaxattack.data.designs import Design, Halves
from jaxattack.models.source import ModelSource
from jaxattack.training import check_seed
from jaxattack.training.learners import Standard
from jaxattack.types import (
    Dataset,
    Defence,
    ExtractionAttack,
    InputError,
    InversionAttack,
    Learner,
    MembershipAttack,
    at_least,
    check_reserve,
    config,
    share_set_aside,
)

NONE = "none"
"""The name of the column without a defence, whose models are the references of static attacks."""


@config
class Column:
    """A way to defend a model: how it learns, what it is, and what stands before its answers.

    Attributes:
        name: in a word; it decides nothing.
        learner: how every model learns; None for the matrix's own.
        defences: before the answers, the first nearest to the model.
        model: what every model is, as an architecture with dropout; None for the matrix's own.

    Raises:
        InputError: a name that is empty or not printable.
    """

    name: str
    learner: Learner | None = field(default=None, metadata={"example": "jaxattack.learners.Distillation()"})
    defences: tuple[Defence, ...] = field(default=(), metadata={"example": "(jaxattack.defences.Round(decimals=2),)"})
    model: ModelSource | None = field(default=None, metadata={"example": EXAMPLE})

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable():
            raise InputError(f"name is {self.name!r}: give the column a word.")

    @property
    def parts(self) -> tuple[Any, ...]:
        """All that decides it."""
        return self.learner, self.defences, self.model

    @property
    def bare(self) -> bool:
        """Whether nothing is defended."""
        return self.parts == (None, (), None)

    @property
    def fresh(self) -> bool:
        """Whether an answer is drawn anew each time it is asked for."""
        return any(defence.fresh for defence in self.defences)


@config
class MatrixAudit:
    """Data x defences x attacks x access; all that decides its findings.

    Attributes:
        model: what every model is, as `jaxattack.models.source` says.
        dataset: the records.
        columns: the defences; one without any, called none, is put first where there is none.
        attacks: on membership; the gap attack, the floor of all others, is put last where it is not named.
        extractions: attacks that steal model 0 of each column, asked on the column's terms.
        inversions: attacks that make a record of each class back from it.
        learner: how a model learns where its column does not say.
        records: use this many of them, chosen at random; all by default.
        standardise: what is done to columns of a table that are far from one scale.
        design: who is in; the same in every column.
        models: how many each column has, of which all play references. At least 4.
        targets: how many of them are attacked, the first; all where there are fewer.
        repetitions: answers that are averaged where a column's are random, at least 2.
        budget: queries of an extraction, at most; None for what the attack asks by itself.
        reserve: the share of all records that every column sets aside at least, from 0 to below 1; with as much as a column's
            learner or defences want, undefended models are references of that column too.
        seed: decides everything random; the same members and first weights in every column.

    Raises:
        InputError: a value of another kind or out of range, no attacks, or two columns or attacks of one name.
    """

    model: ModelSource = field(metadata={"example": EXAMPLE})
    dataset: Dataset = field(repr=False, metadata={"example": "jaxattack.load('digits')"})
    columns: tuple[Column, ...] = field(
        default=(),
        metadata={"example": "(jaxattack.audit.Column(name='round', defences=(jaxattack.defences.Round(),)),)"},
    )
    attacks: tuple[MembershipAttack, ...] = field(
        default=tuple(ATTACKS.values()), metadata={"example": "(jaxattack.attacks.LiRA(online=True),)"}
    )
    extractions: tuple[ExtractionAttack, ...] = field(
        default=(), metadata={"example": "(jaxattack.attacks.extraction.Knockoff(),)"}
    )
    inversions: tuple[InversionAttack, ...] = field(
        default=(), metadata={"example": "(jaxattack.attacks.inversion.Numeric(),)"}
    )
    learner: Learner = field(
        default=Standard(), metadata={"example": "jaxattack.learners.Standard(recipe=jaxattack.Recipe(epochs=30))"}
    )
    records: int | None = None
    standardise: Standardise = "members"
    design: Design = field(default=Halves(), metadata={"example": "jaxattack.designs.Halves()"})
    models: int = 32
    targets: int = 16
    repetitions: int = 16
    budget: int | None = None
    reserve: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(4, models=self.models)
        at_least(1, targets=self.targets, budget=self.budget)
        at_least(2, repetitions=self.repetitions)
        check_seed(self.seed)
        check_reserve(self.reserve, optional=True)
        if not self.attacks:
            raise InputError("attacks is (): give at least one, as (jaxattack.attacks.LiRA(online=True),).")
        object.__setattr__(self, "columns", _named_once((Column(name=NONE), *self.columns)))
        object.__setattr__(self, "attacks", tuple(by_label((*self.attacks, Gap())).values()))

    def sweep(self, column: Column, *, defended: bool) -> MembershipAudit:
        """The sweep of a column's models, as they answer behind its defences or as they were trained."""
        learner = column.learner or self.learner
        return MembershipAudit(
            model=column.model or self.model,
            dataset=self.dataset,
            records=self.records,
            standardise=self.standardise,
            learner=learner,
            defences=column.defences if defended else (),
            design=self.design,
            models=self.models,
            attacks=self.attacks,
            reserve=share_set_aside(learner, column.defences, self.reserve),
            seed=self.seed,
            keep_weights=True,
        )


def _named_once(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns, one that is there twice once, whatever it is called.

    Raises:
        InputError: two that differ have one name, or something defended is called none.
    """
    by_name: dict[str, Column] = {}
    for column in columns:
        if by_name.setdefault(column.name, column).parts != column.parts:
            raise InputError(f"two columns are called {column.name!r}: give each a name of its own.")
    by_parts: dict[str, Column] = {}
    for column in by_name.values():
        by_parts.setdefault(repr(column.parts), column)
    return tuple(by_parts.values())
