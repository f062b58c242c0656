"""A membership run made ready to train: what is asked for, checked, with its records, members and run folder."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool

from jaxattack import signals
from jaxattack.attacks.membership import ATTACKS, lookup, signals_for
from jaxattack.audit.answerable import answerable
from jaxattack.audit.claim import Correction
from jaxattack.audit.scorable import scorable
from jaxattack.audit.subject import Subject, architecture, choose_records, is_factory, scaled_columns
from jaxattack.audit.views import strange_views
from jaxattack.data import fingerprint, load
from jaxattack.data.designs import Design, design
from jaxattack.defences import describe
from jaxattack.oracle.identity import of_code
from jaxattack.store import Cost, RunFolder
from jaxattack.training import Queries, Recipe, Sweep, check_seed, learners
from jaxattack.training.ensemble import Chunk
from jaxattack.training.images import check_views
from jaxattack.training.view import sight
from jaxattack.types import Dataset, Defence, InputError, InputWarning, Learner, Model, config, sees

KEPT = 2**31
"""Bytes of weights that a run keeps by default."""


@config
class MembershipAudit:
    """What a membership sweep trains and asks.

    Attributes:
        models: how many to train; every one plays the target against all the others. At least 4.
        design: who is in: halves, exact, poisson:0.5, sized:1200 or mask:FILE.npy.
        queries: views a record is asked about: 1, 2 (mirrored), 9 or 18 (shifted by up to 1 pixel), 25 or 50 (by 2), 81 or 162
            (by 4); images only.
        attacks: the attacks to run, by default all that read one answer a view; gradient-norm, input-gradient-norm,
            noise-robustness and merlin, which ask more, are run where they are named. A name may set fields, as
            rmia-offline?a=tuned&gamma=1.5.
        declare: one of the attacks, named before it is known which is the strongest: the headline speaks of it, and its
            interval need not allow for the choice among all.
        seed: decides everything random.
        keep_weights: keep every model's weights in the run folder, so that they can be asked for more afterwards; by
            default where those of all models fit in 2 GiB.

    Raises:
        InputError: fewer than 4 models, an unknown attack or design, another number of queries, or a declared attack
            that is not run.
    """

    models: int = 256
    design: str = "halves"
    queries: int = 1
    attacks: tuple[str, ...] = tuple(ATTACKS)
    declare: str | None = None
    seed: int = 0
    keep_weights: bool | None = None

    def __post_init__(self) -> None:
        if self.models < 4:
            raise InputError(
                f"models is {self.models}: give at least 4, so that a target has references on both sides."
            )
        check_seed(self.seed)
        lookup(self.attacks)
        Correction(attacks=self.attacks, declared=self.declare)
        Queries.counting(self.queries)
        design(self.design)


class Plan(NamedTuple):
    """Everything that training a run needs, on whatever machines.

    Attributes:
        folder: where what is finished is kept.
        victim: what every model is.
        sweep: how it is trained and what is kept of its answers.
        records: what it is trained on and asked about.
        member: who is in; a model's number is its row.
        slots: the most members that a model has.
        keep_weights: whether weights are kept.
        need_weights: whether a model that did not keep them counts as missing.
    """

    folder: RunFolder
    victim: Subject
    sweep: Sweep
    records: Dataset
    member: Bool[np.ndarray, "model record"]
    slots: int
    keep_weights: bool
    need_weights: bool

    @property
    def visible(self) -> tuple[str, ...]:
        """The signals of the sweep that its models' answers allow."""
        seen = sight(self.records, self.sweep.defences)
        every = (signals.as_signal(signal) for signal in self.sweep.signals)
        return tuple(signal.name for signal in every if sees(signal, seen))

    def missing(self, models: Sequence[int]) -> list[int]:
        """Those of some models that the folder lacks."""
        finished = self.folder.finished(weights=self.need_weights)
        return [model for model in models if model not in finished]

    def keep(self, chunk: Chunk, compile_seconds: float, device: str) -> None:
        """Write a finished chunk, with what it cost.

        Raises:
            InputError: the disk is full, or the folder cannot be written to.
        """
        steps = len(chunk.models) * self.sweep.learner.steps(self.slots)
        cost = Cost(steps, compile_seconds, chunk.train_seconds, chunk.observe_seconds, device)
        variables = chunk.variables if self.keep_weights else None
        self.folder.write(chunk.models, self.member[chunk.models], chunk.signals, variables, cost)


def planned(
    out: Path,
    victim: Subject,
    recipe: Recipe | Learner,
    audit: MembershipAudit,
    dataset: Dataset | None,
    defences: tuple[Defence, ...] = (),
    background: int = 0,
) -> Plan:
    """Check everything, and open the run folder.

    The last ``background`` records are in every model's training set and are not scored, as `jaxattack.data.poison` makes them.

    Warns:
        InputWarning: the design leaves records or attacks out, or views are asked about that training does not show.

    Raises:
        InputError: bad input, a design that leaves nothing to score, or a foreign or damaged folder.
    """
    whole = dataset if dataset is not None else load(victim.data)
    records = choose_records(whole, victim.records, audit.seed)
    chosen = design(audit.design)
    member = chosen(audit.models, len(records) - background, audit.seed)
    if member.all(axis=1).any():
        raise InputError(
            f"design {audit.design} trains model {member.all(axis=1).argmax()} on all {member.shape[1]} records: leave some "
            "out, or there is nothing to tell apart."
        )
    seen = sight(records, defences)
    asked = tuple(name for name in signals_for(audit.attacks) if sees(signals.lookup(name), seen))
    scored = scorable(member, answerable(lookup(audit.attacks), asked, defences).attacks)
    Correction(attacks=tuple(scored.attacks), declared=audit.declare)
    for note in scored.notes:
        warnings.warn(f"design {audit.design}: {note}", InputWarning, stacklevel=2)
    model = architecture(victim, records)
    queries = Queries.counting(audit.queries)
    learner = learners.as_learner(recipe)
    check_views(learner.recipe, queries, records)
    for note in strange_views(queries, flip=learner.recipe.flip, crop=learner.recipe.crop):
        warnings.warn(note, InputWarning, stacklevel=2)
    sweep = Sweep(
        model=model,
        recipe=recipe,
        queries=queries,
        signals=asked,
        columns=scaled_columns(victim, records, learner),
        defences=defences,
        seed=audit.seed,
    )
    slots = chosen.slots(member) + background
    identity = _identity(victim, learner, slots, audit, records, chosen, sweep.columns)
    identity |= {"defences": [describe(defence) for defence in defences]} if defences else {}
    if background:
        identity["background"] = background
        member = np.hstack([member, np.ones((len(member), background), bool)])
    if is_factory(victim.model):  # its name stays where its code changes
        identity["victim"]["code"] = of_code(model, records.shape)
    shown = [name for name in sweep.signals if sees(signals.as_signal(name), seen)]
    folder = RunFolder.open(out, identity | {"signals": shown}, records.y)
    known = tuple(signals.lookup(name) for name in folder.identity["signals"])
    sweep = replace(sweep, signals=(*sweep.signals, *(signal.name for signal in known)))
    keep = _fit(model, audit.models) if audit.keep_weights is None else audit.keep_weights
    return Plan(folder, victim, sweep, records, member, slots, keep, bool(audit.keep_weights))


def _fit(model: Model, models: int) -> bool:
    """Whether the weights of so many models are kept unless somebody says otherwise."""
    variables = jax.eval_shape(model.init, jax.random.key(0))
    return models * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(variables)) <= KEPT


def _identity(
    victim: Subject,
    learner: Learner,
    slots: int,
    audit: MembershipAudit,
    records: Dataset,
    chosen: Design,
    columns: tuple[bool, ...],
) -> dict[str, Any]:
    """What decides the observations of model i: not how many models there are, nor which attacks read them."""
    return {
        "data": {"name": records.name, "records": len(records), "sha256": fingerprint(records)},
        "victim": {"model": victim.model, "activation": victim.activation, "dropout": victim.dropout},
        **({"standardised": "by each model's members"} if any(columns) else {}),
        "recipe": asdict(learner.recipe),
        **learners.identity(learner, slots),
        "design": chosen.describe if chosen.extendable else f"{chosen.describe} of {audit.models}",
        "queries": audit.queries,
        "seed": audit.seed,
    }
