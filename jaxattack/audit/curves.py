"""What an attack gains from more models and from more views of a record, on observations that are there.

Every figure is pooled: the scores of all targets stand on one curve, behind one threshold. So the lowest false-positive
rates are resolved; intervals hold for new records and new models (`jaxattack.metrics.uncertainty`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.membership.references import PROTOCOLS, model_groups
from jaxattack.audit.findings.membership_attack import ModelsPoint, QueriesPoint
from jaxattack.audit.findings.rates import FPRS, PooledFindings, RateFindings, rate_key
from jaxattack.metrics import Ranked, auc, model_clusters
from jaxattack.metrics.uncertainty import ranked_influences
from jaxattack.training import Queries
from jaxattack.types import InputError, MembershipAttack, Observations

TARGETS = 64  # enough to resolve low rates; more would cost as much as the whole sweep at every size


def pooled(scores: Float[np.ndarray, "target record"], member: Bool[np.ndarray, "target record"]) -> PooledFindings:
    """AUC, and by false-positive rate the true-positive rate and its interval, of all targets together.

    Args:
        scores: higher means "more likely a member".
        member: the truth for each target.
    """
    return _pooled(Ranked.of(scores, member), member)


def _pooled(ranked: Ranked, member: Bool[np.ndarray, "target record"]) -> PooledFindings:
    curve = ranked.curve()
    estimates = ranked_influences(ranked, curve, FPRS, model_clusters(member)).estimates()
    points = {rate_key(fpr): estimate for fpr, estimate in zip(FPRS, estimates, strict=False)}
    return PooledFindings(
        targets=len(member),
        auc=auc(curve),
        tpr={rate: estimate.value for rate, estimate in points.items()},
        tpr_interval={rate: estimate.interval() for rate, estimate in points.items()},
    )


class Subset(NamedTuple):
    """Disjoint groups of as many models, complements beside one another; in each every model is a target of the others.

    Attributes:
        groups: what the models of each say.
        member: the truth of all of them, one group after another.
    """

    groups: tuple[Observations, ...]
    member: Bool[np.ndarray, "target record"]


def subsets_of(observations: Observations) -> tuple[Subset, ...]:
    """Groups of 4, 8, 16, ... models, fewer than there are: as many as hold 64 targets, or one.

    All attacks share them. Who was trained on what cannot be written to, so that what follows from it is computed once.
    """
    order = np.argsort(model_groups(observations.member, PROTOCOLS[0]), kind="stable")
    if (np.diff(order) < 0).any():
        observations = observations.take(order)
    subsets = []
    for size in (2**power for power in range(2, 24) if 2**power < observations.models):
        number = min(observations.models // size, max(1, TARGETS // size))
        groups = tuple(observations.take(slice(at * size, (at + 1) * size)) for at in range(number))
        subsets.append(Subset(groups, observations.member[: number * size]))
        for matrix in (subsets[-1].member, *(group.member for group in groups)):
            matrix.setflags(write=False)
    return tuple(subsets)


def by_models(attack: MembershipAttack, subsets: Iterable[Subset]) -> list[ModelsPoint]:
    """The same attack among fewer models; the scores of all groups of one size are pooled.

    Args:
        attack: any attack.
        subsets: the groups of each size.

    Returns:
        A point for each size. A size at which no group can be scored, as may be with few models of an unbalanced design, is
        left out.
    """
    return [point for subset in subsets if (point := _point(attack, subset)) is not None]


def _point(attack: MembershipAttack, subset: Subset) -> ModelsPoint | None:
    scored = _ranked(attack, subset)
    return None if scored is None else ModelsPoint(models=subset.groups[0].models, **vars(_pooled(*scored)))


def _ranked(attack: MembershipAttack, subset: Subset) -> tuple[Ranked, Bool[np.ndarray, "target record"]] | None:
    """The scores of the groups that can be scored, in order and nowhere else, for they may be many; and the truth of them."""
    groups, member = subset
    size = groups[0].models
    scores, rows = np.empty(member.shape), np.zeros(len(member), bool)
    for at, group in enumerate(groups):
        own = _group(attack, group)
        if own is not None:
            models = slice(at * size, (at + 1) * size)
            scores[models], rows[models] = own, True
    if rows.all():
        return Ranked.of(scores, member), member
    return (Ranked.of(scores[rows], member[rows]), member[rows]) if rows.any() else None


def _group(attack: MembershipAttack, some: Observations) -> Float[np.ndarray, "target record"] | None:
    try:
        return attack(some)
    except InputError:
        return None


def by_queries(
    attack: MembershipAttack, observations: Observations, queries: Queries, all_views: RateFindings | None = None
) -> list[QueriesPoint]:
    """The same attack with fewer of the views that were asked about, down to the record itself.

    Args:
        attack: any attack.
        observations: what the models say of these views.
        queries: the views.
        all_views: what `pooled` gives for all of them, where it is known already.

    Returns:
        A point for each smaller set of views, ascending; all of them last.

    Raises:
        InputError: observations of another number of views.
    """
    read = observations.only(attack.signals)
    points = []
    for views in _smaller(queries):
        rates = all_views
        if rates is None or views != queries:
            rates = pooled(attack(of_views(read, queries, views)), observations.member)
        points.append(
            QueriesPoint(
                queries=views.count,
                targets=observations.models,
                auc=rates.auc,
                tpr=rates.tpr,
                tpr_interval=rates.tpr_interval,
            )
        )
    return points


def of_views(observations: Observations, queries: Queries, subset: Queries) -> Observations:
    """The observations of some of the views that were asked about.

    Args:
        observations: what the models say of all views; a signal of the record alone, such as ``correct``, stays.
        queries: the views.
        subset: views among them.

    Raises:
        InputError: observations of another number of views, or views that were not asked about.
    """
    places = {view: place for place, view in enumerate(_views(queries))}
    if not places.keys() >= {*_views(subset)}:
        raise InputError(f"{subset} are not among {queries}: keep views that were asked about.")
    columns = [places[view] for view in _views(subset)]
    signals = {}
    for name, signal in observations.signals.items():
        if signal.shape[2] not in (1, queries.count):
            raise InputError(
                f"{name} has {signal.shape[2]} queries and {queries.count} were asked: give those that were."
            )
        signals[name] = signal[:, :, columns] if signal.shape[2] > 1 else signal
    return dataclasses.replace(observations, signals=signals)


def _smaller(queries: Queries) -> list[Queries]:
    """The set itself and every smaller one, mirrored or not and shifted by less; ascending."""
    mirrored = (False, True) if queries.mirror else (False,)
    sets = [Queries(mirror=mirror, shift=shift) for shift in range(queries.shift + 1) for mirror in mirrored]
    return sorted(sets, key=lambda one: one.count)


def _views(queries: Queries) -> list[tuple[int, int, int]]:
    """Each view as mirrored or not, rows and columns, whatever the padding."""
    return [
        (mirrored, row - queries.shift, column - queries.shift) for mirrored, row, column in queries.offsets().tolist()
    ]
