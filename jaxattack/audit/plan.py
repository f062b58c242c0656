"""A membership run made ready to train: what is asked for, checked, with its records, members and run folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool

from jaxattack import signals
from jaxattack.attacks.membership import ATTACKS, REGISTRY, by_label, signals_of
from jaxattack.attacks.naming import label
from jaxattack.audit.answerable import answerable
from jaxattack.audit.claim import Correction
from jaxattack.audit.model_source import EXAMPLE, identity
from jaxattack.audit.records import Standardise, choose_records, scaled_columns, set_aside
from jaxattack.audit.scorable import scorable
from jaxattack.audit.views import strange_views
from jaxattack.data import fingerprint
from jaxattack.data.designs import Design, Halves
from jaxattack.defences import describe
from jaxattack.models.source import ModelSource
from jaxattack.store import Cost, RunFolder
from jaxattack.training import Queries, Sweep, check_seed, learners
from jaxattack.training.ensemble import Chunk
from jaxattack.training.images import check_views
from jaxattack.training.learners import Standard
from jaxattack.training.source import model_for
from jaxattack.training.view import sight
from jaxattack.types import (
    Dataset,
    Defence,
    DistilledSignal,
    InputError,
    InputWarning,
    Learner,
    MembershipAttack,
    Signal,
    afterwards,
    at_least,
    check_reserve,
    config,
    deployed_model,
    gradient_steps,
    reserve_size,
    reserving,
    sees,
    versions_of,
)

KEPT = 2**31
"""Bytes of weights that a run keeps by default."""


@config
class MembershipAudit:
    """What a membership sweep trains, asks and attacks; all that decides its findings.

    Attributes:
        model: what every model is, as `jaxattack.models.source` says.
        dataset: the records.
        records: use this many of them, chosen at random; all by default.
        standardise: what is done to columns of a table that are far from one scale.
        learner: how every model learns.
        defences: before every model's answers, the first nearest to the model; attacks that need more than the answers
            give are not run, and named.
        design: who is in.
        models: how many to train; every one plays the target against all the others. At least 4.
        queries: views a record is asked about: 1, 2 (mirrored), 9 or 18 (shifted by up to 1 pixel), 25 or 50 (by 2), 81 or 162
            (by 4); images only.
        attacks: the attacks to run, by default all registered ones that read one answer a view.
        declare: one of the attacks, chosen before it is known which is the strongest: the headline speaks of it, and its
            interval need not allow for the choice among all.
        seed: decides everything random.
        keep_weights: keep every model's weights in the run folder, so that they can be asked for more afterwards; by
            default where those of all models fit in 2 GiB.
        background: how many of the last records are in every model and are not scored; not beside records set aside.
        reserve: the share of all records that is set aside at least, in no model and not scored, from 0 to below 1; a learner
            or a defence may want more.

    Raises:
        InputError: a value of another kind or out of range, no attacks, two of one name, or a declared attack that is not
            run.
    """

    model: ModelSource = field(metadata={"example": EXAMPLE})
    dataset: Dataset = field(repr=False, metadata={"example": "jaxattack.load('digits')"})
    records: int | None = None
    standardise: Standardise = "members"
    learner: Learner = field(
        default=Standard(), metadata={"example": "jaxattack.learners.Standard(recipe=jaxattack.Recipe(epochs=30))"}
    )
    defences: tuple[Defence, ...] = field(default=(), metadata={"example": "(jaxattack.defences.Round(decimals=2),)"})
    design: Design = field(default=Halves(), metadata={"example": "jaxattack.designs.Halves()"})
    models: int = 256
    queries: int = 1
    attacks: tuple[MembershipAttack, ...] = field(
        default=tuple(ATTACKS.values()), metadata={"example": "(jaxattack.attacks.LiRA(online=True),)"}
    )
    declare: MembershipAttack | None = field(default=None, metadata={"example": "jaxattack.attacks.LiRA(online=True)"})
    seed: int = 0
    keep_weights: bool | None = None
    background: int = 0
    reserve: float = 0.0

    def __post_init__(self) -> None:
        if self.models < 4:
            raise InputError(
                f"models is {self.models}: give at least 4, so that a target has references on both sides."
            )
        if self.records is not None and self.records < 4:
            raise InputError(f"records is {self.records}: give at least 4.")
        check_seed(self.seed)
        at_least(0, background=self.background)
        check_reserve(self.reserve, optional=True)
        if self.background and self.reserve:
            raise InputError(f"background is {self.background} and reserve {self.reserve}: give one of them.")
        if self.background and (parts := reserving(self.learner, self.defences)):
            raise InputError(
                f"background is {self.background} and {type(parts[0]).__name__} has records set aside: choose another."
            )
        if not self.attacks:
            raise InputError("attacks is (): give at least one, as (jaxattack.attacks.LiRA(online=True),).")
        Correction(attacks=tuple(self.labelled()), declared=self.declared)
        Queries.counting(self.queries)

    def labelled(self) -> dict[str, MembershipAttack]:
        """The attacks under the names they are reported by."""
        return by_label(self.attacks)

    @property
    def declared(self) -> str | None:
        """The name that the declared attack is reported by."""
        return None if self.declare is None else label(self.declare, REGISTRY)


class Plan(NamedTuple):
    """Everything that training a run needs, on whatever machines.

    Attributes:
        folder: where what is finished is kept.
        source: what every model is.
        sweep: how it is trained and what is kept of its answers.
        records: what it is trained on and asked about.
        member: who is in; a model's number is its row.
        slots: the most members that a model has.
        keep_weights: whether weights are kept.
        need_weights: whether a model that did not keep them counts as missing.
    """

    folder: RunFolder
    source: ModelSource
    sweep: Sweep
    records: Dataset
    member: Bool[np.ndarray, "model record"]
    slots: int
    keep_weights: bool
    need_weights: bool

    @property
    def visible(self) -> tuple[str, ...]:
        """The signals of the sweep that its models' answers allow."""
        access = sight(self.records, self.sweep.defences)
        return tuple(signal.name for signal in self.sweep.signals if sees(signal, access))

    def missing(self, models: Sequence[int]) -> list[int]:
        """Those of some models that the folder lacks."""
        complete = self.folder.complete_models(weights=self.need_weights)
        return [model for model in models if model not in complete]

    def keep(self, chunk: Chunk, compile_seconds: float, device: str) -> None:
        """Write a finished chunk, with what it cost.

        Raises:
            InputError: the disk is full, or the folder cannot be written to.
        """
        steps = len(chunk.models) * gradient_steps(self.sweep.learner, self.slots, self.sweep.reserve)
        cost = Cost(steps, compile_seconds, chunk.train_seconds, chunk.observe_seconds, device)
        variables = chunk.variables if self.keep_weights else None
        self.folder.write(chunk.models, self.member[chunk.models], chunk.signals, variables, cost)


class Preparation(NamedTuple):
    """A run as it follows from what is asked for, before any folder is opened.

    Attributes:
        sweep: how models are trained and what is kept of their answers.
        records: what they are trained on and asked about.
        member: who is in; a model's number is its row.
        slots: the most members that a model has.
        identity: what decides the observations of model i: not how many models there are, nor which attacks read them.
    """

    sweep: Sweep
    records: Dataset
    member: Bool[np.ndarray, "model record"]
    slots: int
    identity: dict[str, Any]


def prepare(audit: MembershipAudit) -> Preparation:
    """Check everything.

    Warns:
        InputWarning: the design leaves records or attacks out, or views are asked about that training does not show.

    Raises:
        InputError: bad input, or a design that leaves nothing to score.
    """
    records = choose_records(audit.dataset, audit.records, audit.seed)
    reserve = reserve_size(audit.learner, len(records), audit.defences, audit.reserve)
    records = set_aside(records, reserve, audit.seed)
    member = _members(audit, len(records) - audit.background - reserve)
    require_reserve(signals_of(audit.attacks), reserve)
    visible = _visible(audit, records)
    part = scorable(member, answerable(audit.labelled(), [signal.name for signal in visible], audit.defences).attacks)
    Correction(attacks=tuple(part.attacks), declared=audit.declared)
    queries = Queries.counting(audit.queries)
    recipe = audit.learner.recipe
    check_views(audit.learner, queries, records)
    unseen = strange_views(queries, flip=recipe.flip, crop=recipe.crop)
    for note in [*(f"design {audit.design.describe}: {note}" for note in part.notes), *unseen]:
        warnings.warn(note, InputWarning, stacklevel=3)
    sweep = Sweep(
        model=model_for(audit.model, records),
        recipe=audit.learner,
        queries=queries,
        signals=tuple(visible),
        columns=scaled_columns(audit.standardise, records, audit.learner),
        defences=audit.defences,
        reserve=reserve,
        seed=audit.seed,
    )
    slots = audit.design.slots(member) + audit.background
    unscored = np.ones((len(member), audit.background), bool), np.zeros((len(member), reserve), bool)
    member = np.hstack([member, *unscored])
    return Preparation(sweep, records, member, slots, _identity(audit, sweep, slots, records))


def planned(out: Path, audit: MembershipAudit) -> Plan:
    """Check everything, as `prepare` does, and open the run folder.

    Raises:
        InputError: what `prepare` raises, or a foreign or damaged folder.
    """
    sweep, records, member, slots, identity = prepare(audit)
    sight_of_models = sight(records, audit.defences)
    by_name = {signal.name: signal for signal in sweep.signals if sees(signal, sight_of_models)}
    own = versions_of(by_name.values())
    answers = {"signals": [*by_name], **({"own_signals": own} if own else {})}
    folder = RunFolder.open(out, identity | answers, records.y)
    _require_same_signals(folder, own)
    stored = [by_name.get(name) or signals.lookup(name) for name in folder.identity["signals"]]
    sweep = replace(sweep, signals=(*sweep.signals, *stored))
    keep = keeps_weights(audit, weight_bytes(sweep, records.classes))
    return Plan(folder, audit.model, sweep, records, member, slots, keep, bool(audit.keep_weights))


def _require_same_signals(folder: RunFolder, own: Mapping[str, str]) -> None:
    """Refuse a folder that holds what signals of the same names told before their code changed.

    Raises:
        InputError: it names the first.
    """
    there = folder.identity.get("own_signals", {})
    changed = [name for name, code in own.items() if there.get(name, code) != code]
    if changed:
        raise InputError(
            f"{folder.path} holds the signal {changed[0]} as other code or settings than this told it: give another folder, or the signal "
            "another name."
        )


def keeps_weights(audit: MembershipAudit, octets: int) -> bool:
    """Whether a run keeps the weights of its models, each of so many bytes."""
    return audit.models * octets <= KEPT if audit.keep_weights is None else audit.keep_weights


def weight_bytes(sweep: Sweep, classes: int) -> int:
    """Bytes of what a model of a sweep has learnt."""
    model = deployed_model(sweep.learner, sweep.model, classes)
    return sum(
        leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0)))
    )


def require_reserve(read: Iterable[Signal], reserve: int) -> None:
    """Refuse signals of students where no records are set aside to teach them.

    Raises:
        InputError: one that is.
    """
    for signal in read:
        if isinstance(signal, DistilledSignal) and not reserve:
            raise InputError(
                f"{signal.name} teaches students on records that are members of no model, and none are set aside: "
                "give reserve, the share of all records."
            )


def _members(audit: MembershipAudit, records: int) -> Bool[np.ndarray, "model record"]:
    """Who is in, of the records that are scored.

    Raises:
        InputError: a model has them all.
    """
    member = audit.design(audit.models, records, audit.seed)
    if member.all(axis=1).any():
        raise InputError(
            f"design {audit.design.describe} trains model {member.all(axis=1).argmax()} on all {records} records: leave some "
            "out, or there is nothing to tell apart."
        )
    return member


def _visible(audit: MembershipAudit, records: Dataset) -> list[Signal]:
    """The signals of the registered attacks and of those that are run, as far as the answers allow them.

    Signals that are read of trained models wait for them.
    """
    access = sight(records, audit.defences)
    read = signals_of((*ATTACKS.values(), *audit.attacks))
    return [signal for signal in read if sees(signal, access) and not afterwards(signal)]


def _identity(audit: MembershipAudit, sweep: Sweep, slots: int, records: Dataset) -> dict[str, Any]:
    """What decides the observations of model i: not how many models there are, nor which attacks read them."""
    design = audit.design.describe if audit.design.extendable else f"{audit.design.describe} of {audit.models}"
    return {
        "data": {"name": records.name, "records": len(records), "sha256": fingerprint(records)},
        "victim": identity(audit.model, sweep.model, records.shape),
        **({"standardised": "by each model's members"} if any(sweep.columns) else {}),
        "recipe": asdict(audit.learner.recipe),
        **learners.identity(audit.learner, slots),
        "design": design,
        "queries": audit.queries,
        "seed": audit.seed,
        **({"defences": [describe(defence) for defence in audit.defences]} if audit.defences else {}),
        **({"background": audit.background} if audit.background else {}),
        **({"reserve": sweep.reserve} if sweep.reserve else {}),
    }
