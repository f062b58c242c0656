"""What the attacker of a reconstruction is handed of a victim, and the truth that it is judged by, which it never sees.

    attribute     members, and as many others, of which one attribute is blanked out
    convex        each of some members in turn is the record that is missing from all others
    informed      networks that the audit trains on all members but one and one other record, a target each
    kkt           the weights
    update        the victim after an update on each of some records that it was not trained on
    property      networks that the audit trains on members, of which different shares have the property

Half of the records that are no members are the attacker's and the baselines' own; targets that are no members come from the
other half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int
from sklearn.tree import DecisionTreeClassifier

from jaxattack.attacks.reconstruction import (
    CountedTree,
    Knowledge,
    Known,
    LinearModel,
    Partial,
    Secret,
    Training,
    confusion_matrix,
    draw_members,
    fixed_start,
    train_shadows,
)
from jaxattack.attacks.reconstruction.property import HIGH, LOW, size_of_sets
from jaxattack.audit.experiment import Case, Experiment, span_of
from jaxattack.oracle import from_model
from jaxattack.training import train_ensemble
from jaxattack.types import (
    InputError,
    Need,
    Oracle,
    Variables,
    within_memory,
)

VALUES = 32
"""The most values that an attribute may take: each is tried with each record."""


def prepare(case: Case) -> Experiment:
    """What an attack is handed of a victim.

    Raises:
        InputError: a victim that is not of the kind that the attack reads, a secret that is none, or too few records.
    """
    return next(make(case) for need, make in _CASES.items() if need in case.attack.needs)


def secret_of(
    x: Float[np.ndarray, "record feature"], columns: tuple[int, ...], pool: Int[np.ndarray, "record"]
) -> Secret:
    """An attribute of a table: the values that occur, as likely as in the attacker's records.

    Args:
        x: all records.
        columns: where it lies.
        pool: the attacker's own.

    Raises:
        InputError: no column, one that is not there, or one of fewer than two or too many values.
    """
    if not columns:
        few = [column for column in range(x.shape[1]) if 2 <= len(np.unique(x[:, column])) <= VALUES]
        names = ", ".join(map(str, few[:20])) or "none has"
        raise InputError(f"secret names no column: give one with 2 to {VALUES} values ({names}).")
    if not all(0 <= column < x.shape[1] for column in columns):
        raise InputError(f"secret is {columns} and a record has {x.shape[1]} columns: count from 0.")
    values, code = np.unique(x[:, list(columns)], axis=0, return_inverse=True)
    if not 2 <= len(values) <= VALUES:
        raise InputError(f"secret is {columns} and takes {len(values)} values: give an attribute with 2 to {VALUES}.")
    # Laplace's rule: a value that the attacker has not met is not impossible.
    count = np.bincount(code.ravel()[pool], minlength=len(values)) + 1.0
    return Secret(columns=columns, values=values, prior=count / count.sum())


def _attribute(case: Case) -> Experiment:
    inside, control, pool = case.draw()
    few = case.question.targets
    index = _in_turn(inside[:few], control[:few])  # a budget that ends early leaves out as many of either
    flat = case.dataset.x.reshape(len(case.dataset), -1).astype(np.float64)
    secret = secret_of(flat, case.question.secret, pool)
    blank = flat[index].copy()
    blank[:, list(secret.columns)] = 0
    needs = case.attack.needs
    knowledge = Knowledge(
        answers=case.oracle if "answers" in needs else None,
        tree=_tree(case) if "tree" in needs else None,
        confusion=_confusion(case) if "confusion" in needs else None,
        partial=Partial(blank, case.dataset.y[index], secret),
    )
    return Experiment(
        knowledge=knowledge,
        index=index,
        truth=secret.truth(flat[index]),
        others=pool,
        member=case.member[index],
        question=f"column {', '.join(map(str, secret.columns))}, of {len(secret.values)} values",
    )


def _in_turn(one: Int[np.ndarray, "some"], other: Int[np.ndarray, "others"]) -> Int[np.ndarray, "target"]:
    """One of each in turn, and then those that are left."""
    place = np.concatenate([np.arange(len(one)), np.arange(len(other))])
    return np.concatenate([one, other])[np.argsort(place, kind="stable")]


def _tree(case: Case) -> CountedTree:
    if not isinstance(case.victim.estimator, DecisionTreeClassifier):
        raise InputError(
            f"{case.attack.name} needs a decision tree and {case.victim.name} is none: give full-tree or tree."
        )
    return CountedTree.from_estimator(case.victim.estimator)


def _confusion(case: Case) -> Float[np.ndarray, "cls predicted"]:
    """Of the members, as an owner publishes it."""
    x = case.dataset.x[case.member].reshape(-1, *case.oracle.access.inputs.shape).astype(np.float64)
    return confusion_matrix(case.dataset.y[case.member], case.victim.ask(x).label, case.oracle.access.classes)


def _convex(case: Case) -> Experiment:
    if case.victim.estimator is None:
        raise InputError(
            f"{case.attack.name} needs a linear model at the minimum of its objective and {case.victim.name} is none: give newton."
        )
    linear = LinearModel.from_estimator(case.victim.estimator)
    inside, _, _ = case.draw()
    index, flat = inside[: case.question.targets], case.dataset.x.reshape(len(case.dataset), -1)
    within_memory(len(index) * len(inside) * flat.shape[1], targets=len(index))
    others = []
    for record in index:
        rest = case.member.copy()
        rest[record] = False
        others.append(Known(flat[rest].astype(np.float64), case.dataset.y[rest]))
    return Experiment(
        knowledge=Knowledge(linear=linear, known=tuple(others)),
        index=index,
        truth=flat[index],
        others=np.arange(len(flat)),
        label=case.dataset.y[index],
    )


def _informed(case: Case) -> Experiment:
    network, question = case.network(), case.question
    inside, control, own = case.draw()
    index, pool = control[: question.targets], np.concatenate([own, control[question.targets :]])
    dataset, scale = case.on_scale(inside[1:])
    fixed = dataset.take(inside[1:])
    model = fixed_start(network.model, case.seed)
    # Another seed than the attacker's: it knows where training starts, not the order of the records.
    victims = _with_progress(
        case, len(index), lambda: train_shadows(model, question.recipe, fixed, dataset.take(index), seed=case.seed + 1)
    )
    return Experiment(
        knowledge=Knowledge(
            weights=victims,
            known=(Known(fixed.x, fixed.y),),
            pool=dataset.take(pool),
            training=Training(model, question.recipe, members=len(inside)),
        ),
        index=index,
        truth=case.dataset.x[index],
        others=np.arange(len(dataset)),
        label=dataset.y[index],
        models=len(index),
        scale=scale,
    )


def _kkt(case: Case) -> Experiment:
    network = case.network()
    inside, control, pool = case.draw()
    index = np.concatenate([inside[: case.question.targets], control[: case.question.targets]])
    weights = jax.tree.map(lambda leaf: leaf[np.newaxis], network.variables)
    return Experiment(
        knowledge=Knowledge(weights=weights, span=span_of(case)),
        index=index,
        truth=case.dataset.x[index],
        others=pool,
        member=case.member[index],
        label=case.dataset.y[index],
    )


def _updates(case: Case) -> Experiment:
    network, dataset, question = case.network(), case.dataset, case.question
    _, control, pool = case.draw()
    index = control[: _affordable(case, min(question.targets, len(control)))]
    terms, inputs = case.victim.oracle.access, network.inputs

    def answering(variables: Variables, number: int) -> Oracle:
        oracle = from_model(
            network.model,
            variables,
            inputs=inputs,
            classes=network.classes,
            level=terms.level,
            precision=terms.precision,
        )
        # Noise of one seed would be the same before and after, and cancel.
        return replace(case.victim, oracle=oracle).behind(question.defences, seed=case.seed + number).oracle

    x, y = dataset.x[index], dataset.y[index]
    after = question.update.apply(network.model, network.variables, x, y)
    each = [jax.tree.map(lambda leaf, at=at: leaf[at], after.params) for at in range(len(index))]
    return Experiment(
        knowledge=Knowledge(
            answers=answering(network.variables, 0),
            updates=tuple(
                answering(Variables(params, network.variables.rest), at) for at, params in enumerate(each, start=1)
            ),
            pool=dataset.take(pool),
            span=span_of(case),
            training=Training(network.model, question.recipe, update=question.update, columns=case.columns),
        ),
        index=index,
        truth=y if case.attack.goal == "label" else x,
        others=np.setdiff1d(np.arange(len(dataset)), index),
        label=None if case.attack.goal == "label" else y,
        question=f"{question.update.steps} step{'' if question.update.steps == 1 else 's'} of rate {question.update.learning_rate:g} on each record",
    )


def _affordable(case: Case, updates: int) -> int:
    """How many updates the budget pays for."""
    attack: Any = case.attack
    if case.budget is None:
        return updates
    while updates and attack.queries(case.oracle, updates) > case.budget:
        updates -= 1
    if not updates:
        least = attack.queries(case.oracle, 1)
        raise InputError(
            f"budget is {case.budget} and {attack.name} takes {least:,} queries for one update: give that many."
        )
    return updates


def _property(case: Case) -> Experiment:
    network, question = case.network(), case.question
    inside, _, pool = case.draw()
    has = question.has(case.dataset)
    dataset, scale = case.on_scale(pool)
    size = min(size_of_sets(has[inside]), size_of_sets(has[pool]))
    if size < 2:
        raise InputError(
            f"{int(has.sum())} of {len(has)} records of {dataset.name} have the property: give one that varies."
        )
    rng = np.random.default_rng(np.random.SeedSequence(case.seed, spawn_key=(0, 2)))
    share = rng.uniform(LOW, HIGH, question.targets)
    member = draw_members(has[inside], share, size, seed=case.seed + 1)
    train = lambda: train_ensemble(network.model, question.recipe, dataset.take(inside), member, seed=case.seed + 1)  # noqa: E731
    victims, _ = _with_progress(case, len(share), train)
    return Experiment(
        knowledge=Knowledge(
            weights=victims.variables,
            pool=dataset.take(pool),
            share=has[pool],
            training=Training(network.model, question.recipe, members=size),
        ),
        index=np.arange(len(share)),
        truth=(member & has[inside]).sum(axis=1) / size,
        others=pool,
        models=len(share),
        question=f"{question.has}, in sets of {size} records",
        scale=scale,
    )


def _with_progress(case: Case, models: int, train: Callable[[], Any]) -> Any:
    """Train victims, and say so."""
    if case.progress:
        case.progress("victims", 0, models)
    result = train()
    if case.progress:
        case.progress("victims", models, models)
    return result


_CASES: dict[Need, Callable[[Case], Experiment]] = {
    "partial": _attribute,
    "linear": _convex,
    "known": _informed,
    "updates": _updates,
    "share": _property,
    "span": _kkt,
}
"""By the need that tells the case; the first that an attack has."""
