"""Everything that can be named in an audit, as rows made from the classes: attacks of every family, signals, defences, learners."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxattack.attacks import (
    architecture,
    evasion,
    extraction,
    inversion,
    membership,
    ownership,
    poisoning,
    reconstruction,
)
from jaxattack.attacks.architecture.zoo import FEWEST as ZOO
from jaxattack.attacks.inversion import gradient
from jaxattack.attacks.membership import generators
from jaxattack.attacks.membership.generators.evidence import Sight as GeneratorSight
from jaxattack.defences import DEFENCES
from jaxattack.signals import SIGNALS, WITH_SETTINGS
from jaxattack.training.learners import LEARNERS
from jaxattack.types import SIGHTS, InputError, Sight

_SWEEP = 4
"""Models of the sweep whose attacks say what they need: few, so that it is the fewest."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """An attack, a signal, a defence or a learner.

    Attributes:
        family: a key of `FAMILIES`.
        name: in its registry, as the command line takes it.
        paper: that published it; "this project", or "common practice", where none did.
        sees: the least that it must see of a model, or of a generator; None for what changes a model, its answers or its training set.
        queries: asked about a record and a view of it; 0 for who holds the weights, None where the victim decides how many, or
            nothing is asked.
        models: the fewest that the attacker trains as the victim was trained: references, shadows or a surrogate; None for what
            is no attack.
    """

    family: str
    name: str
    paper: str
    sees: Sight | GeneratorSight | None = None
    queries: int | None = None
    models: int | None = None


def _membership(attack: Any) -> dict[str, Any]:
    needs = attack.needs(_SWEEP)
    references = sum(max(fewest, 2) if needs.spread else fewest for fewest in needs.sides.values())
    return {
        "sees": max((signal.sees for signal in attack.signals), key=SIGHTS.index),
        "queries": getattr(attack, "queries", sum(signal.queries for signal in attack.signals)),
        "models": references or int(attack.references),
    }


def _of_victim(attack: Any) -> dict[str, Any]:
    """What an attack on a service sees, or on weights where it takes no level of access."""
    if not attack.levels:
        return {"sees": "weights", "queries": 0, "models": 0}
    return {"sees": min(attack.levels, key=SIGHTS.index), "models": 0}


def _of_updates(attack: Any) -> dict[str, Any]:  # noqa: ARG001 (all read what users send)
    return {"sees": "weights", "queries": 0, "models": 0}


def _reconstruction(attack: Any) -> dict[str, Any]:
    return {**_of_victim(attack), "models": getattr(attack, "shadows", 0)}


def _evasion(attack: Any) -> dict[str, Any]:
    queries = 0
    if not attack.white_box:  # the question about the record itself, and those of each round
        queries = attack.queries if hasattr(attack, "queries") else 1 + attack.rounds * attack.points
    return {**_of_victim(attack), "queries": queries, "models": int(attack.surrogate)}


def _ownership(test: Any) -> dict[str, Any]:
    return {**_of_victim(test), "queries": getattr(test, "queries", None), "models": getattr(test, "models", 0)}


def _poisoning(attack: Any) -> dict[str, Any]:
    """Of the victim an attacker sees nothing: it has the training set, and models of its own."""
    return {"queries": 0, "models": attack.surrogates}


def _architecture(attack: Any) -> dict[str, Any]:
    return {**_of_victim(attack), "models": ZOO}


def _generators(attack: Any) -> dict[str, Any]:
    """An attack on generators reads samples, which are of no record; local models that it trains are not like the victim."""
    return {"sees": attack.sees, "models": int(attack.references)}


def _signal(signal: Any) -> dict[str, Any]:
    return {"sees": signal.sees, "queries": signal.queries}


def _no_attack(method: Any) -> dict[str, Any]:  # noqa: ARG001 (it changes a model or its answers)
    return {}


FAMILIES: Mapping[str, tuple[tuple[Mapping[str, Any], Callable[[Any], dict[str, Any]]], ...]] = {
    "membership": ((membership.REGISTRY, _membership),),
    "extraction": ((extraction.ATTACKS, _of_victim),),
    "inversion": ((inversion.ATTACKS, _of_victim), (gradient.ATTACKS, _of_updates)),
    "reconstruction": ((reconstruction.ATTACKS, _reconstruction),),
    "evasion": ((evasion.ATTACKS, _evasion),),
    "ownership": ((ownership.ATTACKS, _ownership),),
    "poisoning": ((poisoning.ATTACKS, _poisoning),),
    "architecture": ((architecture.ATTACKS, _architecture),),
    "generators": ((generators.ATTACKS, _generators),),
    "signals": ((SIGNALS | WITH_SETTINGS, _signal),),
    "defences": ((DEFENCES, _no_attack),),
    "learners": ((LEARNERS, _no_attack),),
}
"""The registries of each family, and what each says of its methods."""


def catalogue(families: Iterable[str] = tuple(FAMILIES)) -> tuple[Method, ...]:
    """Every method of these families, in the order of their registries.

    Raises:
        InputError: an unknown family.

    Example:
        >>> [method.paper for method in catalogue(["membership"]) if method.name == "gap"]
        ['Yeom et al. 2018, arXiv 1709.01604']
    """
    names = tuple(families)
    for family in names:
        if family not in FAMILIES:
            raise InputError(f"family is {family!r}: choose from {', '.join(FAMILIES)}.")
    return tuple(
        Method(family=family, name=name, paper=method.paper, **reads(method))
        for family in names
        for registry, reads in FAMILIES[family]
        for name, method in registry.items()
    )
