"""A reconstruction beside the truth, and beside what somebody makes who lacks the model.

    goal        measure                                    the other side
    attribute   share of values that are right             an imputation: a random forest that learnt the attribute from
                                                           the rest and the label on records of the attacker's own
                                                           (Jayaraman and Evans 2022); and the likeliest value
    record      share closer than the nearest other        the mean of all other records
                record
    records     share of members more like a candidate     the same share of records that the victim was not trained on
                than 95% of the attacker's own records are
    label       share of labels that are right             the likeliest label
    property    mean absolute error of the share           the middle of the range, for every model

A model leaks what its attacker finds and the other side does not. Distances are in units of the documented range;
likeness to candidates, whose scale is not determined, is Pearson's correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from sklearn.ensemble import RandomForestClassifier

from jaxattack.attacks.reconstruction.property import HIGH, LOW
from jaxattack.attacks.reconstruction.secret import Secret as Attribute
from jaxattack.audit.experiment import Experiment
from jaxattack.audit.findings.reconstruction import Comparison, Secret, Target
from jaxattack.metrics import nearest
from jaxattack.metrics.comparison import (
    Interval,
    corrected,
    difference,
    mean_interval,
    paired_difference,
    share_interval,
)
from jaxattack.types import Dataset, Goal, Inputs, Reconstruction

TREES = 200
"""Of the forest that imputes; more change its accuracy by less than its interval."""


LIKE = 0.95
"""The share of records that have nothing to do with the victim which a likeness must exceed."""


class Judgement(NamedTuple):
    """What a reconstruction is worth.

    Attributes:
        comparisons: the one that counts first.
        targets: one by one.
        secrets: of an attribute.
        near: Int["target"], the nearest other record of each in the data set, where records are compared; empty elsewhere.
        candidate: Int["target"], the candidate that is most like each, where they come in no order; empty elsewhere.
    """

    comparisons: tuple[Comparison, ...]
    targets: tuple[Target, ...]
    secrets: tuple[Secret, ...] = ()
    near: Int[np.ndarray, "target"] = np.zeros(0, int)
    candidate: Int[np.ndarray, "target"] = np.zeros(0, int)


def judge(
    experiment: Experiment, reconstruction: Reconstruction, dataset: Dataset, inputs: Inputs, seed: int
) -> Judgement:
    """Compare a reconstruction with the truth and with its baseline.

    Args:
        experiment: what it was to find.
        reconstruction: what it found, records in the units of the data set.
        dataset: the victim's records.
        inputs: what the victim documents of them.
        seed: of the imputation.
    """
    goals: dict[Goal, Callable[[], Judgement]] = {
        "attribute": lambda: _attribute(experiment, reconstruction, dataset, seed),
        "record": lambda: _record(experiment, reconstruction, dataset, inputs),
        "records": lambda: _records(experiment, reconstruction, dataset, inputs),
        "label": lambda: _label(experiment, reconstruction, dataset),
        "property": lambda: _property(experiment, reconstruction),
    }
    return goals[reconstruction.goal]()


Row = Callable[[float], Comparison]
"""A comparison, by the confidence of its leak's interval."""


def _rows(*rows: Row) -> tuple[Comparison, ...]:
    """Comparisons whose intervals allow for how many there are: a reader looks at all of them."""
    return tuple(row(corrected(len(rows))) for row in rows)


def _beside(
    of: str,
    measure: str,
    ours: Bool[np.ndarray, "target"],
    theirs: Bool[np.ndarray, "target"],
    against: str,
    confidence: float,
) -> Comparison:
    """Two sides' successes at the same targets."""
    leak = paired_difference(ours, theirs, confidence)
    counts = {"ours_alone": (ours & ~theirs).sum(), "theirs_alone": (~ours & theirs).sum(), "trials": len(ours)}
    return Comparison(
        of=of, targets=len(ours), measure=measure, attack=share_interval(ours), baseline=share_interval(theirs),
        against=against, leak=leak, leaks=leak.low > 0, counts=_whole(counts),
    )  # fmt: skip


def _apart(
    measure: str, success: Bool[np.ndarray, "target"], member: Bool[np.ndarray, "target"], confidence: float
) -> Comparison:
    """The attack's successes at members beside those at records that the victim was not trained on."""
    ours, theirs = success[member], success[~member]
    leak = difference(ours, theirs, confidence)
    counts = {"ours": ours.sum(), "our_trials": len(ours), "theirs": theirs.sum(), "their_trials": len(theirs)}
    return Comparison(
        of="members", targets=len(ours), measure=measure, attack=share_interval(ours), baseline=share_interval(theirs),
        against="records that it was not trained on", leak=leak, leaks=leak.low > 0, counts=_whole(counts),
    )  # fmt: skip


def _whole(counts: Mapping[str, Any]) -> dict[str, int]:
    """Counts as plain numbers."""
    return {name: int(count) for name, count in counts.items()}


def impute(
    dataset: Dataset, secret: Attribute, pool: Int[np.ndarray, "record"], index: Int[np.ndarray, "target"], seed: int
) -> Int[np.ndarray, "target"]:
    """The value of an attribute that other records suggest, by the rest of a record and its label.

    Args:
        dataset: all records.
        secret: the attribute.
        pool: the records to learn from.
        index: those to guess of.
        seed: of the forest.
    """
    flat = dataset.x.reshape(len(dataset), -1).astype(np.float64)
    rest = np.delete(flat, list(secret.columns), axis=1)
    features = np.concatenate([rest, np.eye(dataset.classes)[dataset.y]], axis=1)
    forest = RandomForestClassifier(TREES, random_state=seed).fit(features[pool], secret.truth(flat[pool]))
    return np.asarray(forest.predict(features[index]))


def _attribute(experiment: Experiment, reconstruction: Reconstruction, dataset: Dataset, seed: int) -> Judgement:
    assert experiment.knowledge.partial is not None
    assert experiment.member is not None
    # Beyond the budget a guess is the likeliest value, and no attack's.
    mask = ~np.isnan(reconstruction.score).all(axis=1)
    secret, member = experiment.knowledge.partial.secret, experiment.member[mask]
    experiment = experiment._replace(index=experiment.index[mask], truth=experiment.truth[mask], member=member)
    reconstruction = replace(reconstruction, value=reconstruction.value[mask], score=reconstruction.score[mask])
    truth = experiment.truth
    imputed = impute(dataset, secret, experiment.others, experiment.index, seed)
    right, theirs, prior = reconstruction.value == truth, imputed == truth, secret.prior.argmax() == truth
    sides = {"members": member, "others": ~member}
    rarest = int(secret.prior.argmin())
    to_rarest = reconstruction.value == rarest
    comparisons = _rows(
        *(
            partial(_beside, of, "right values", right[side], other[side], against)
            for against, other in (("an imputation from other records", theirs), ("the likeliest value", prior))
            for of, side in sides.items()
        ),
        partial(_apart, "right values", right, member),
        partial(_apart, "right among those named to have the rarest value", right[to_rarest], member[to_rarest]),
    )
    best = np.take_along_axis(reconstruction.score, reconstruction.value[:, np.newaxis], axis=1)[:, 0]
    targets = _targets(experiment, best, truth, reconstruction.value, (~right).astype(float), (~theirs).astype(float))
    secrets = tuple(_secret(of, rarest, reconstruction.value[side], truth[side]) for of, side in sides.items())
    return Judgement(comparisons, targets, secrets)


def _secret(of: str, value: int, guess: Int[np.ndarray, "target"], truth: Int[np.ndarray, "target"]) -> Secret:
    right = float(((guess == value) & (truth == value)).sum())
    shares = [right / side.sum() if side.any() else None for side in (guess == value, truth == value)]
    return Secret(of=of, value=value, precision=shares[0], recall=shares[1])


def unit(inputs: Inputs, x: Shaped[np.ndarray, "record *feature"]) -> Float[np.ndarray, "record feature"]:
    """Records in units of the documented range, 0 to 1."""
    low, high = inputs.low.ravel(), inputs.high.ravel()
    return (x.reshape(len(x), -1) - low) / (high - low)


def _record(experiment: Experiment, reconstruction: Reconstruction, dataset: Dataset, inputs: Inputs) -> Judgement:
    records = unit(inputs, dataset.x)
    truth, value = unit(inputs, experiment.truth), unit(inputs, reconstruction.value)
    near, distance, mean = _nearest_others(experiment, records, truth)
    error = np.where(np.isfinite(value).all(axis=1), ((value - truth) ** 2).mean(axis=1), np.inf)
    middle = ((mean - truth) ** 2).mean(axis=1)
    rows = [
        partial(
            _beside, "records", "closer than the nearest other record", error < distance, middle < distance,
            "the mean of all other records",
        )
    ]  # fmt: skip
    if reconstruction.label is not None and experiment.label is not None:
        likeliest = np.bincount(dataset.y[experiment.others]).argmax()
        right = reconstruction.label == experiment.label
        theirs = experiment.label == likeliest
        rows.append(partial(_beside, "records", "right labels", right, theirs, "the likeliest label"))
    targets = _targets(experiment, reconstruction.score, None, None, error, distance, reconstruction.label)
    return Judgement(_rows(*rows), targets, near=near)


def _nearest_others(
    experiment: Experiment, records: Float[np.ndarray, "record feature"], truth: Float[np.ndarray, "target feature"]
) -> tuple[Int[np.ndarray, "target"], Float[np.ndarray, "target"], Float[np.ndarray, "target feature"]]:
    """Of each target: the nearest other record, its mean square distance, and the mean of all others."""
    near, distance, mean = [], [], []
    for record, one in zip(experiment.index, truth, strict=True):
        others = experiment.others[experiment.others != record]
        closest = nearest(one[np.newaxis], records[others])
        near.append(others[closest.record[0]])
        distance.append(closest.distance[0] ** 2 / len(one))
        mean.append(records[others].mean(axis=0))
    return np.array(near), np.array(distance), np.stack(mean)


def correlations(
    a: Float[np.ndarray, "record feature"], b: Float[np.ndarray, "other feature"]
) -> Float[np.ndarray, "record other"]:
    """Pearson's correlation of each record with each other; 0 where one is constant."""

    def standard(x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        size = np.linalg.norm(centred, axis=1, keepdims=True)
        return np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)

    return standard(a) @ standard(b).T


def _records(experiment: Experiment, reconstruction: Reconstruction, dataset: Dataset, inputs: Inputs) -> Judgement:
    assert experiment.member is not None
    truth, pool = unit(inputs, experiment.truth), unit(inputs, dataset.x[experiment.others])
    candidates, others = correlations(truth, unit(inputs, reconstruction.value)), correlations(truth, pool)
    ours, theirs = candidates.max(axis=1), others.max(axis=1)
    usual = np.quantile(correlations(pool, unit(inputs, reconstruction.value)).max(axis=1), LIKE)
    measure = f"more like a candidate than {LIKE:.0%} of the attacker's own records"
    rows = _rows(partial(_apart, measure, ours > usual, experiment.member))
    best = candidates.argmax(axis=1)
    label = None if reconstruction.label is None else reconstruction.label[best]
    targets = _targets(experiment, reconstruction.score[best], None, None, 1 - ours, 1 - theirs, label)
    return Judgement(rows, targets, near=experiment.others[others.argmax(axis=1)], candidate=best)


def _label(experiment: Experiment, reconstruction: Reconstruction, dataset: Dataset) -> Judgement:
    likeliest = np.bincount(dataset.y[experiment.others]).argmax()
    right, theirs = reconstruction.value == experiment.truth, experiment.truth == likeliest
    rows = _rows(partial(_beside, "updates", "right labels", right, theirs, "the likeliest label"))
    errors = (~right).astype(float), (~theirs).astype(float)
    return Judgement(rows, _targets(experiment, reconstruction.score, experiment.truth, reconstruction.value, *errors))


def _property(experiment: Experiment, reconstruction: Reconstruction) -> Judgement:
    error, guess = np.abs(reconstruction.value - experiment.truth), np.abs((LOW + HIGH) / 2 - experiment.truth)
    leak: Interval = mean_interval(guess - error)
    row = Comparison(
        of="models", targets=len(error), measure="mean absolute error of the share", attack=mean_interval(error),
        baseline=mean_interval(guess), against="the middle of the range", leak=leak, leaks=leak.low > 0,
        counts={"trials": len(error)},
    )  # fmt: skip
    return Judgement(
        (row,), _targets(experiment, reconstruction.score, experiment.truth, reconstruction.value, error, guess)
    )


def _targets(
    experiment: Experiment,
    score: Float[np.ndarray, "target"],
    truth: Shaped[np.ndarray, "target"] | None,
    value: Shaped[np.ndarray, "target"] | None,
    error: Float[np.ndarray, "target"],
    baseline: Float[np.ndarray, "target"],
    label: Int[np.ndarray, "target"] | None = None,
) -> tuple[Target, ...]:
    labels = experiment.label if label is not None else None
    return tuple(
        Target(
            target=int(record),
            member=None if experiment.member is None else bool(experiment.member[at]),
            truth=None if truth is None else float(truth[at]),
            value=None if value is None else float(value[at]),
            score=float(score[at]),
            error=float(error[at]),
            baseline=float(baseline[at]),
            label=None if label is None else int(label[at]),
            true_label=None if labels is None else int(labels[at]),
        )
        for at, record in enumerate(experiment.index)
    )
