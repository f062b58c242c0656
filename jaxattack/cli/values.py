"""Words to values: what a command line names becomes the configuration that the audits take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from jaxattack.attacks.membership import lookup, under_protocol
from jaxattack.attacks.naming import named
from jaxattack.cli.options import Words
from jaxattack.defences import DEFENCES
from jaxattack.training import Recipe
from jaxattack.training.learners import LEARNERS, part_of
from jaxattack.types import Defence, InputError, Learner, MembershipAttack

LearnerName = Annotated[
    str,
    Parameter(
        help=f"{', '.join(LEARNERS)}. A name may set fields: relaxloss?alpha=1.0, dp-sgd?clip=1&noise=0.5, "
        "distillation?temperature=10."
    ),
]
"""A learner; the help names all that are registered."""

DefenceNames = Annotated[
    Words,
    Parameter(
        help="Defences of the answers, the first nearest to the model and all before what other options do to answers: "
        f"{', '.join(DEFENCES)}. A value follows a colon, other fields a question mark: temperature:5,round:2 or "
        "noise:0.1?by_record=true. Attacks that read more than is answered then are not run, and named; a defence that learns "
        "needs the victim's own records."
    ),
]
"""Defences; the help names all that are registered."""

Protocol = Literal["independent", "leave-one-out"]
"""Which models are a target's references."""

_FIXED = ("recipe", "loss", "gradient")
"""Fields of a learner that its name does not set."""


def attack_from(word: str, protocol: str) -> MembershipAttack:
    """A membership attack by name, as ``rmia-offline?a=tuned``, under a protocol where the name does not set one itself.

    Raises:
        InputError: an unknown name, field or protocol, or a value outside a field's range.
    """
    attack = lookup(word)
    return attack if "protocol=" in word else under_protocol(attack, protocol)


def declared_from(word: str | None, protocol: str) -> MembershipAttack | None:
    """The attack declared beforehand, if any, as `attack_from` has it."""
    return None if word is None else attack_from(word, protocol)


def attacks_from(words: Iterable[str], protocol: str) -> tuple[MembershipAttack, ...]:
    """Membership attacks by name, each once, as `attack_from` has them."""
    return tuple(dict.fromkeys(attack_from(word, protocol) for word in words))


def learner_from(text: str, recipe: Recipe) -> Learner:
    """A learner by name, as ``relaxloss?alpha=1.0``, with a recipe.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.
    """
    name, colon, _ = text.partition("?")[0].partition(":")
    if colon and name in LEARNERS:
        names = [field.name for field in fields(settable(LEARNERS[name])) if field.name not in _FIXED]
        remedy = f"set {' or '.join(names)} by name, as {name}?{names[0]}=VALUE" if names else f"write {name}"
        raise InputError(f"learner is {text!r} and no value follows a learner's colon: {remedy}.")
    value = named(text, {name: settable(learner) for name, learner in LEARNERS.items()}, "learner", fixed=_FIXED)
    learner: Any = LEARNERS[text.partition("?")[0]]
    part = part_of(learner)
    return replace(learner, recipe=recipe, **{part: value}) if part else replace(value, recipe=recipe)


def settable(learner: Learner) -> Any:
    """Whose fields a learner's name sets."""
    part = part_of(learner)
    return getattr(learner, part) if part else learner


def defences_from(texts: Iterable[str]) -> tuple[Defence, ...]:
    """Defences by name, the first nearest to the model: ``round:2``, ``temperature:5,round:2``, ``noise:0.1?by_record=true``.

    What follows the colon is the defence's first field.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.
    """
    return tuple(_defence_from(text) for words in texts for text in words.split(","))


def _defence_from(text: str) -> Defence:
    head, _, settings = text.partition("?")
    name, colon, value = head.partition(":")
    if colon and name in DEFENCES:
        defence: Any = DEFENCES[name]
        if not fields(defence):
            raise InputError(f"defend is {text!r}: {name} takes no value, write {name}.")
        settings = "&".join(filter(None, (f"{fields(defence)[0].name}={value}", settings)))
    return named(f"{name}?{settings}", DEFENCES, "defence")
