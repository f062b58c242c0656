"""The attacker's part: its models, the records it is after, and its poison.

Surrogates are trained on the clean training set with a key that no victim has, so that poison is never judged on the seed that it
was made on. Targets are records that judge and that every surrogate labels right: one that was wrong before would be no success. Where the
victims train a last layer on features that are public, the surrogate is the public network.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from jaxattack.attacks.poisoning.units import to_inputs
from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.audit.retraining.split import Split
from jaxattack.training import train_ensemble
from jaxattack.training.source import model_for
from jaxattack.types import Ensemble, InputError, Poison, Progress, Surrogate, Target


class Craft(NamedTuple):
    """A poison, and what it is for.

    Attributes:
        attack: its place among the attacks.
        share: of the training set that was asked for.
        target: place among the targets; None for an attack that is after no single record.
        poison: the records.
    """

    attack: int
    share: float
    target: int | None
    poison: Poison


class Attacker(NamedTuple):
    """What the attacker has beside the records.

    Attributes:
        surrogate: its models; None where no attack needs any.
        targets: the records it is after, and their places among those that judge.
        places: of the targets.
    """

    surrogate: Surrogate | None
    targets: tuple[Target, ...]
    places: tuple[int, ...]


def attackers_seed(seed: int) -> int:
    """The seed of the attacker's models: another stream than the victims'."""
    return int(np.random.SeedSequence(seed, spawn_key=(5, 1)).generate_state(1)[0])


def prepare_attacker(audit: PoisonAudit, parts: Split) -> Attacker:
    """Train the surrogates and choose the targets.

    Raises:
        InputError: an attack that cannot poison these records, or too few records that the surrogates label right.
    """
    for attack in audit.attacks:
        attack.check(parts.train)
    count = max(attack.surrogates for attack in audit.attacks)
    if not (count or audit.frozen):
        return Attacker(None, (), ())
    model = model_for(audit.model, parts.train)
    public = parts.own if audit.frozen else parts.train
    member = np.ones((1 if audit.frozen else count, len(public)), bool)
    ensemble, _ = train_ensemble(model, audit.learner, public, member, seed=attackers_seed(audit.seed))
    surrogate = Surrogate(model, ensemble.variables)
    if not audit.targeted:
        return Attacker(surrogate, (), ())
    right = _labels(surrogate, ensemble, parts) == parts.held_out.y
    places = np.flatnonzero(right.all(axis=0))
    if len(places) < audit.targets:
        raise InputError(
            f"targets is {audit.targets} and the attacker's models label {len(places)} of the {len(parts.held_out)} records that "
            "judge right: ask for fewer, or train longer."
        )
    rng = np.random.default_rng(np.random.SeedSequence(audit.seed, spawn_key=(5, 2)))
    places = np.sort(rng.permutation(places)[: audit.targets])
    label, classes = parts.held_out.y[places], parts.held_out.classes
    aim = (label + rng.integers(1, classes, len(places))) % classes
    targets = tuple(
        Target(x, int(own), int(other)) for x, own, other in zip(parts.held_out.x[places], label, aim, strict=True)
    )
    return Attacker(surrogate, targets, tuple(places.tolist()))


def _labels(surrogate: Surrogate, ensemble: Ensemble, parts: Split) -> np.ndarray:
    """What each surrogate labels the records that judge. ["model record"]"""
    answer = jax.jit(lambda variables, x: surrogate.model.apply(variables, x).argmax(axis=1))
    x = to_inputs(parts.held_out.x)
    return np.stack(
        [
            answer(jax.tree.map(lambda leaf, number=number: leaf[number], ensemble.variables), x)
            for number in range(len(ensemble.member))
        ]
    )


def craft_all(audit: PoisonAudit, parts: Split, attacker: Attacker, progress: Progress | None) -> tuple[Craft, ...]:
    """Every attack's poison at every share, for every target where it is after one.

    Raises:
        InputError: what an attack refuses.
    """
    jobs = [
        (place, share, target)
        for place, attack in enumerate(audit.attacks)
        for share in sorted({*audit.shares})
        for target in (range(len(attacker.targets)) if attack.goal == "targeted" else (None,))
    ]
    crafts = []
    for done, (place, share, target) in enumerate(jobs):
        if progress:
            progress("poison", done, len(jobs))
        crafts.append(_craft(audit, parts, attacker, place, share, target))
    if progress:
        progress("poison", len(jobs), len(jobs))
    return tuple(crafts)


def _craft(audit: PoisonAudit, parts: Split, attacker: Attacker, place: int, share: float, target: int | None) -> Craft:
    attack = audit.attacks[place]
    seed = int(np.random.SeedSequence(audit.seed, spawn_key=(5, 3, target or 0)).generate_state(1)[0])
    surrogate = attacker.surrogate
    if surrogate is not None and not audit.frozen:
        count = attack.surrogates
        surrogate = Surrogate(surrogate.model, jax.tree.map(lambda leaf: leaf[:count], surrogate.variables))
    poison = attack(
        parts.train,
        poison_count(share, len(parts.train)),
        own=parts.own,
        seed=seed,
        surrogate=surrogate,
        target=None if target is None else attacker.targets[target],
    )
    return Craft(place, share, target, poison)


def poison_count(share: float, records: int) -> int:
    """How many records a share of so many is: at least one."""
    return max(round(share * records), 1)
