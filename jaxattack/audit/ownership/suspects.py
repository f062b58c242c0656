"""The models of an audit of ownership: the owner's, those of thieves, and those of independent people.

One sweep trains the owner's model, his references, the independent models and those whose records overlap with his: all are
of one architecture and have as many records, drawn anew from the public for each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from jaxattack.audit.ownership.folder import Models, OwnershipFolder
from jaxattack.audit.ownership.plan import OwnershipAudit
from jaxattack.audit.ownership.split import Split
from jaxattack.models import Architecture
from jaxattack.oracle import from_model
from jaxattack.training import train_ensemble, train_one
from jaxattack.training.copies import Copy, Distilled, Extracted, make_copies
from jaxattack.training.source import model_for
from jaxattack.types import Dataset, Level, MarkingTest, Model, Oracle, Variables, WhiteBox, gradient_steps

Relation = Literal["victim", "stolen", "overlapping", "independent"]

SURROGATES: tuple[Copy, ...] = (Distilled(of="public"), Extracted(answers="label"))
"""How an owner makes surrogates: as Lukas et al. 2021 (arXiv 1912.00888) do, by distilling and by extracting."""

PLAIN = ""
"""The owner's model without marks, among those with marks of a test."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Suspects:
    """Models of one kind.

    Attributes:
        kind: what they are called.
        relation: to the owner's model.
        access: what a thief had, in words; empty for who is none.
        paper: its source; empty where there is none.
        model: what they are.
        variables: what they learnt; every leaf leads with ``model``.
        cost: what each cost: steps, seconds, queries, price.
        decides: what tells them from models of another kind.
    """

    kind: str
    relation: Relation
    model: Model
    variables: Variables
    cost: Mapping[str, float]
    decides: Any
    access: str = ""
    paper: str = ""

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.variables)[0])

    def boxes(self, split: Split) -> Iterator[WhiteBox]:
        """Each with its weights."""
        for number in range(len(self)):
            variables = jax.tree.map(lambda leaf: leaf[number], self.variables)  # noqa: B023 (used at once)
            yield WhiteBox(model=self.model, variables=variables, inputs=split.inputs, classes=split.members.classes)


def answering(box: WhiteBox, level: Level) -> Oracle:
    """A suspect as whoever asks it sees it, in float32."""
    return from_model(
        box.model, box.variables, inputs=box.inputs, classes=box.classes, level=level, precision="float32"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Field:
    """What the one sweep trains.

    Attributes:
        victim: the owner's model.
        references: those that he trains himself.
        independents: of people that the owner has nothing to do with: of his architecture, of another, and those part of
            whose records are his.
    """

    victim: Suspects
    references: Variables
    independents: tuple[Suspects, ...]


def train_field(audit: OwnershipAudit, split: Split, folder: OwnershipFolder) -> Field:
    """The owner's model, his references, and the models of others."""
    model = model_for(audit.model, split.every)
    rows = _rows(audit, split)
    like = _like(model, len(rows))
    trained = folder.models("field", "field", like, lambda: _train(audit, audit.model, split, rows))
    counts = (1, audit.references, audit.independents, audit.overlapping)
    ends = np.cumsum(counts)
    victim, references, independents, overlapping = (
        jax.tree.map(lambda leaf: leaf[end - count : end], trained.variables)  # noqa: B023 (used at once)
        for count, end in zip(counts, ends, strict=True)
    )
    people = [Suspects(
        kind="independent", relation="independent", model=model, variables=independents, cost=trained.cost, decides="field"
    )]  # fmt: skip
    if audit.overlapping:
        people.append(Suspects(
            kind=f"{100 * audit.overlap:g}% shared records", relation="overlapping", model=model, variables=overlapping,
            cost=trained.cost, decides="overlapping", access="some of the records",
        ))  # fmt: skip
    if audit.others:
        source = Architecture(name=audit.other)
        apart = _public_rows(audit, split, audit.others, draw=1)
        other = model_for(source, split.every)
        made = folder.models(
            "others", audit.other, _like(other, len(apart)), lambda: _train(audit, source, split, apart)
        )
        people.append(Suspects(
            kind=f"independent {audit.other}", relation="independent", model=other, variables=made.variables, cost=made.cost,
            decides=audit.other,
        ))  # fmt: skip
    owner = Suspects(kind="victim", relation="victim", model=model, variables=victim, cost=trained.cost, decides=PLAIN)
    return Field(victim=owner, references=references, independents=tuple(people))


def train_marked(
    audit: OwnershipAudit, split: Split, test: MarkingTest, name: str, folder: OwnershipFolder
) -> tuple[Suspects, Dataset]:
    """The owner's model with the marks of a test, and the records that it was trained on."""
    marked = test.mark(split.members, seed=audit.seed)
    learner = test.learner(audit.learner.recipe)
    model = model_for(audit.model, split.every)

    def make() -> Models:
        begin = time.perf_counter()
        variables = train_one(model, learner, marked, np.ones(len(marked), bool), seed=audit.seed)
        stacked = jax.tree.map(lambda leaf: leaf[None], variables)
        return Models(stacked, _cost(learner.steps(len(marked)), time.perf_counter() - begin))

    trained = folder.models(f"victim {name}", test, _like(model, 1), make)
    return Suspects(
        kind="victim", relation="victim", model=model, variables=trained.variables, cost=trained.cost, decides=test
    ), marked


def steal(
    audit: OwnershipAudit,
    split: Split,
    victim: Suspects,
    members: Dataset,
    name: str,
    copy: Copy,
    folder: OwnershipFolder,
) -> Suspects:
    """Copies of one kind.

    Args:
        audit: how many, and by which recipe.
        split: the records.
        victim: the owner's model.
        members: the records that it was trained on, its marks too.
        name: of the kind.
        copy: how they are made.
        folder: what keeps them.
    """
    recipe = audit.learner.recipe
    source = copy.architecture(audit.model)
    model = model_for(source, split.every)
    box = next(victim.boxes(split))
    count = audit.seeds if copy.random else 1

    def make() -> Models:
        records = members if copy.records == "victim" else own_records(audit, split, copy)
        oracle = answering(box, copy.level or "label")
        answers = _answers_of(oracle, copy, records)
        copies = make_copies(
            copy, audit.model, recipe, records, copies=count, seed=audit.seed, victim=box.variables, answers=answers
        )
        ledger = oracle.ledger
        cost = _cost(copies.steps, copies.seconds) | {"queries": ledger.queries, "price": ledger.price}
        return Models(copies.variables, cost)

    made = folder.models(name, (copy, victim.decides), _like(model, count), make)
    return Suspects(
        kind=name, relation="stolen", model=model, variables=made.variables, cost=made.cost, decides=(copy, victim.decides),
        access=_access(copy), paper=copy.paper,
    )  # fmt: skip


def own_records(audit: OwnershipAudit, split: Split, copy: Copy, draw: int = 0) -> Dataset:
    """A thief's own records: of the public, as many as the owner has, or as he asks about where there are so many.

    Args:
        audit: whose seed decides.
        split: the records.
        copy: how many questions he asks.
        draw: another number draws others, as the owner's for surrogates.
    """
    rng = np.random.default_rng(np.random.SeedSequence(audit.seed, spawn_key=(5, 2, draw)))
    count = copy.questions or len(split.members)
    return split.public.take(np.sort(rng.permutation(len(split.public))[:count]))


def _answers_of(oracle: Oracle, copy: Copy, records: Dataset) -> np.ndarray | None:
    """What the victim answers about a thief's records, as distributions; None where nothing is asked."""
    if copy.level is None:
        return None
    answer = oracle(records.x)
    return np.eye(records.classes)[answer.label] if copy.level == "label" else answer.probability


def _access(copy: Copy) -> str:
    """What a thief had, in words."""
    if copy.level is not None:
        return "labels answered" if copy.level == "label" else "confidences answered"
    parts = ("the model",) * copy.weights + ("the records",) * (copy.records == "victim")
    return " and ".join(parts)


def _rows(audit: OwnershipAudit, split: Split) -> Bool[np.ndarray, "model record"]:
    """Who is trained on what: the victim, the references, the independents, those who share records with the victim."""
    size = len(split.members)
    people = _public_rows(audit, split, audit.references + audit.independents + audit.overlapping)
    rng = np.random.default_rng(np.random.SeedSequence(audit.seed, spawn_key=(5, 3)))
    shared = max(round(audit.overlap * size), 1)
    for row in people[audit.references + audit.independents :]:
        row[rng.permutation(np.flatnonzero(row))[:shared]] = False
        row[rng.permutation(size)[:shared]] = True
    victim = np.arange(len(split.every)) < size
    return np.concatenate([victim[None], people])


def _public_rows(audit: OwnershipAudit, split: Split, count: int, draw: int = 0) -> Bool[np.ndarray, "model record"]:
    """So many people, each with as many records of the public as the owner has."""
    rng = np.random.default_rng(np.random.SeedSequence(audit.seed, spawn_key=(5, 4 + draw)))
    first = len(split.members) + len(split.held_out)
    rows = np.zeros((count, len(split.every)), bool)
    for row in rows:
        row[first + rng.permutation(len(split.public))[: len(split.members)]] = True
    return rows


def _train(audit: OwnershipAudit, source: Any, split: Split, rows: Bool[np.ndarray, "model record"]) -> Models:
    begin = time.perf_counter()
    variables = train_ensemble(source, audit.learner, split.every, rows, seed=audit.seed)[0].variables
    slots = int(rows.sum(axis=1).max())
    seconds = (time.perf_counter() - begin) / len(rows)
    return Models(variables, _cost(gradient_steps(audit.learner, slots, 0), seconds))


def _cost(steps: int, seconds: float) -> dict[str, float]:
    return {"steps": steps, "seconds": seconds, "queries": 0, "price": 0.0}


def _like(model: Model, count: int) -> Variables:
    """The shapes of what so many models learn."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), count))
    return jax.eval_shape(jax.vmap(model.init), keys)


def surrogates_of(audit: OwnershipAudit, split: Split, victim: Suspects, folder: OwnershipFolder) -> Variables:
    """Copies that the owner makes of his own model with records of the public, by a seed that no thief has."""

    def make() -> Models:
        box = next(victim.boxes(split))
        made = []
        for copy in SURROGATES:
            records = own_records(audit, split, copy, draw=1)
            answers = _answers_of(answering(box, copy.level or "label"), copy, records)
            made.append(make_copies(
                copy, audit.model, audit.learner.recipe, records, copies=audit.surrogates, seed=(audit.seed + 1) % 2**32,
                victim=box.variables, answers=answers,
            ))  # fmt: skip
        variables = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(copies.variables for copies in made))
        return Models(variables, _cost(sum(copies.steps for copies in made), sum(copies.seconds for copies in made)))

    count = audit.surrogates * len(SURROGATES)
    return folder.models("surrogates", (SURROGATES, victim.decides), _like(victim.model, count), make).variables
