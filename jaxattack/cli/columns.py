"""Words to columns of a matrix: ``round:2``, ``relaxloss?alpha=0.5``, ``dropout:0.5``, and several joined by ``+``.

| word | what it is |
| --- | --- |
| none | the undefended column |
| a defence of answers (`jaxattack.defences.DEFENCES`) | it, before the answers; several in this order |
| a learner (`jaxattack.training.learners.LEARNERS`) | how every model learns |
| a name of both, as hamp | both, as published; each setting goes to the one that has it |
| dropout:0.5 | the same architecture, which drops so many of its units while it learns |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from jaxattack.audit import Column
from jaxattack.audit.matrix.plan import NONE
from jaxattack.cli.values import defences_from, learner_from, settable
from jaxattack.cli.words import used
from jaxattack.defences import DEFENCES
from jaxattack.models import Architecture
from jaxattack.models.source import ModelSource, label
from jaxattack.training import Recipe
from jaxattack.training.learners import LEARNERS
from jaxattack.types import Defence, InputError, Learner

DROPOUT = "dropout"


def columns_from(words: Iterable[str], recipe: Recipe, source: ModelSource) -> tuple[Column, ...]:
    """The columns of some words, each once.

    Args:
        words: as the module says.
        recipe: how every learner goes through the members.
        source: what every model is.

    Raises:
        InputError: a word that means nothing, two learners in one, or dropout of a model that makes its own layers.
    """
    return tuple(column_from(word, recipe, source) for word in dict.fromkeys(words))


def column_from(word: str, recipe: Recipe, source: ModelSource) -> Column:
    """The column of one word, as `columns_from` has it."""
    learner: Learner | None = None
    model: ModelSource | None = None
    defences: list[Defence] = []
    for part in word.split("+"):
        base = part.partition("?")[0].partition(":")[0]
        if base == NONE and part == base:
            continue
        if base == DROPOUT:
            model = _with_dropout(part, source)
            continue
        if base not in LEARNERS.keys() | DEFENCES.keys():
            known = tuple(dict.fromkeys((NONE, DROPOUT, *DEFENCES, *LEARNERS)))
            near = get_close_matches(base, known, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(
                f"defend is {word!r} and there is no defence {base!r}{hint}: choose from {', '.join(known)}."
            )
        learning, answering = _split(part, base) if base in LEARNERS and base in DEFENCES else (part, part)
        if base in LEARNERS:
            if learner is not None:
                raise InputError(f"defend is {word!r}, which names two learners: a model learns in one way.")
            learner = learner_from(learning, recipe)
        if base in DEFENCES:
            defences += defences_from((answering,))
    return Column(name=word, learner=learner, defences=tuple(defences), model=model)


def _split(part: str, base: str) -> tuple[str, str]:
    """A name of a learner and of a defence as two, each with the settings that it has; others stay the defence's to refuse."""
    head, _, settings = part.partition("?")
    fields = {field.name for field in dataclasses.fields(settable(LEARNERS[base]))}
    each = [setting for setting in settings.split("&") if setting]
    learning = [setting for setting in each if setting.partition("=")[0] in fields]
    answering = [setting for setting in each if setting not in learning]
    return f"{base}?{'&'.join(learning)}", f"{head}?{'&'.join(answering)}"


def _with_dropout(part: str, source: ModelSource) -> Architecture:
    if not isinstance(source, Architecture):
        raise InputError(f"defend is {part!r} and {label(source)} makes its own layers: leave it out.")
    _, _, share = part.partition(":")
    try:
        dropout: Any = float(share)
    except ValueError:
        raise InputError(f"defend is {part!r}: give a share of the units, as {DROPOUT}:0.5.") from None
    return used(dataclasses.replace(source, dropout=dropout))
