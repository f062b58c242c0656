"""What reconstructions give away: who recognises them, and which members they are like."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from jaxattack.audit.appearance import Units, appearance, units_of
from jaxattack.audit.findings.inversion import (
    EvaluationFindings,
    GalleryEntry,
    JudgementFindings,
    Likeness,
    RecognitionFindings,
    TargetRow,
)
from jaxattack.audit.reconstructions import Labels
from jaxattack.audit.train import train_on_scale
from jaxattack.audit.victim import Victim
from jaxattack.metrics import correlation, mse, nearest, psnr, ssim
from jaxattack.models.source import ModelSource, label
from jaxattack.oracle import from_model
from jaxattack.training import Recipe
from jaxattack.training.source import model_for
from jaxattack.types import Inversion, Progress

_SHOWN, _BATCH, _STEPS, _TOP = 10, 32, 1000, 5
_SHIFT = 28
"""The evaluation model sees pictures shifted by up to their height over this: few of them teach it more so."""


class Evaluation(NamedTuple):
    """A model that judges reconstructions, and has nothing to do with the victim.

    Attributes:
        model: its architecture.
        accuracy: on the victim's members, which it has not learnt from.
        records: how many it has learnt from.
        logits: records in the victim's units -> Float["query cls"].
    """

    model: str
    accuracy: float
    records: int
    logits: Callable[[np.ndarray], Float[np.ndarray, "query cls"]]


def evaluation_model(
    victim: Victim, source: ModelSource, seed: int, progress: Progress | None = None
) -> Evaluation | None:
    """Train the evaluation model on the records that the victim has not seen; None where there are none of each class.

    Args:
        victim: whose reconstructions are judged.
        source: what it is, as `jaxattack.models.source` says.
        seed: of the audit, from which `evaluation_seed` derives the evaluation model's own.
        progress: called after each epoch.
    """
    dataset, member = victim.dataset, victim.member
    if dataset is None or member is None or len(np.unique(dataset.y[~member])) < dataset.classes:
        return None
    report: Progress | None = None
    if progress is not None:
        report = lambda _, count, total: progress("judge", count, total)  # noqa: E731 - it only renames what is told
    model = model_for(source, dataset)
    passes = max(10, -(-_STEPS * _BATCH // int((~member).sum())))
    crop = dataset.shape[0] // _SHIFT if dataset.images else 0
    recipe = Recipe(epochs=passes, batch=_BATCH, learning_rate=1e-3, crop=crop)
    variables, _ = train_on_scale(source, model, recipe, dataset, ~member, seed=evaluation_seed(seed), progress=report)
    inputs = victim.oracle.access.inputs
    images = dataset.x.dtype == np.uint8
    shaped = inputs if inputs.shape == dataset.shape else type(inputs).box(0, 1, dataset.shape)
    oracle = from_model(
        model, variables, inputs=shaped, classes=dataset.classes, level="logit", images=images, price=0.0
    )

    def logits(x: np.ndarray) -> Float[np.ndarray, "query cls"]:
        logit = oracle(x.reshape(-1, *dataset.shape).astype(np.float64)).logit
        assert logit is not None
        return logit

    right = logits(dataset.x[member]).argmax(axis=1) == dataset.y[member]
    return Evaluation(label(source), float(right.mean()), int((~member).sum()), logits)


def evaluation_seed(seed: int) -> int:
    """What decides the evaluation model's training in an audit of a seed.

    A victim of any seed that a person would give has other first weights and another order of its records: a judge that
    shared them would take reconstructions for what the victim takes them for.
    """
    return int(np.random.SeedSequence(seed, spawn_key=(3, 0)).generate_state(1)[0])


def judge(
    victim: Victim,
    inversion: Inversion,
    labels: Labels | None,
    model: Evaluation | None,
    truth: Shaped[np.ndarray, "target *feature"] | None = None,
) -> JudgementFindings:
    """Whom reconstructions are taken for, and how like the members they are.

    Args:
        victim: whose reconstructions they are.
        inversion: the reconstructions.
        labels: what the victim takes them for; None where it was not asked.
        model: judges them.
        truth: the very records that were to be made, where there are such.
    """
    likeness = _likeness(victim, inversion, truth)
    ranks = _ranks(model, inversion.x, inversion.target) if model else None
    looks = appearance(victim, inversion, partial(_members, victim)) if likeness and truth is None else None
    finite = {name: float(np.nanmean(each)) for name, each in likeness.items() if np.isfinite(each).any()}
    return JudgementFindings(
        recognition=_recognition(inversion, labels, model, ranks, victim.oracle.access.classes),
        evaluation=model and EvaluationFindings(model=model.model, accuracy=model.accuracy, records=model.records),
        likeness=Likeness(**finite) if finite else None,
        targets=tuple(
            TargetRow(
                target=int(target),
                name=victim.class_names[target] if victim.class_names else None,
                score=float(np.nanmax(score)) if np.isfinite(score).any() else None,
                victim=None if labels is None else int(labels.best[row]),
                victim_name=None if labels is None or not victim.class_names else victim.class_names[labels.best[row]],
                rank=None if ranks is None else int(ranks[row]),
                steps=int(inversion.steps[row].sum()),
                passes=None if looks is None else looks.passes[row],
                **{name: float(each[row]) for name, each in likeness.items()},
            )
            for row, (target, score) in enumerate(zip(inversion.target, inversion.score, strict=True))
        ),
        appearance=looks and looks.findings,
        extent=units_of(victim).extent,
    )


def _recognition(
    inversion: Inversion,
    labels: Labels | None,
    model: Evaluation | None,
    ranks: Int[np.ndarray, "target"] | None,
    classes: int,
) -> RecognitionFindings:
    restarts = inversion.restarts.reshape(-1, *inversion.restarts.shape[2:])
    finite = np.isfinite(inversion.score).ravel()
    # What stands for a target that nothing was made for, as the middle of a generator's space, is no success of the attack.
    made = np.isfinite(inversion.score).any(axis=1)
    target = np.repeat(inversion.target, inversion.restarts.shape[1])
    several = _ranks(model, restarts[finite], target[finite]) if model else None
    return RecognitionFindings(
        victim=None if labels is None else float(((labels.best == inversion.target) & made).mean()),
        victim_restarts=None
        if labels is None
        else float((labels.restarts.ravel() == target)[finite].sum() / len(target)),
        top1=None if ranks is None else float(((ranks == 0) & made).mean()),
        top5=None if ranks is None or classes <= _TOP else float(((ranks < _TOP) & made).mean()),
        top1_restarts=None if several is None else float((several == 0).sum() / len(target)),
        restarts=len(target),
        diverged=inversion.diverged,
    )


def _ranks(model: Evaluation, x: np.ndarray, target: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
    """How many classes the evaluation model finds at least as likely as the target: one that answers alike recognises nobody."""
    logits = model.logits(x)
    own = np.take_along_axis(logits, target[:, None], axis=1)
    return (~(logits < own)).sum(axis=1) - 1


def _members(victim: Victim, target: int) -> Shaped[np.ndarray, "record *feature"]:
    assert victim.dataset is not None
    assert victim.member is not None
    shape = victim.oracle.access.inputs.shape
    return victim.dataset.x[victim.member & (victim.dataset.y == target)].reshape(-1, *shape)


def _likeness(victim: Victim, inversion: Inversion, truth: np.ndarray | None) -> dict[str, Float[np.ndarray, "target"]]:
    """Of each reconstruction and its record, or else the member of its class that is nearest to it; and of the class's mean.

    NaN where the class has no member.
    """
    if victim.dataset is None or victim.member is None:
        return {}
    units = units_of(victim)
    rows = [
        _alike(x, _members(victim, int(target)), None if truth is None else truth[row], units)
        for row, (x, target) in enumerate(zip(inversion.x, inversion.target, strict=True))
    ]
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in max(rows, key=len)}


def _alike(x: np.ndarray, members: np.ndarray, truth: np.ndarray | None, units: Units) -> dict[str, float]:
    measured, one, group = {}, units(x[None]), units(members)
    if len(group):
        measured["correlation_mean"] = correlation(one, group.mean(axis=0)[None])[0]
    if truth is not None or len(group):
        # A label that was not recovered may be of a class without members: the record that was to be made is there all the same.
        near = group[nearest(one, group).record] if truth is None else units(truth[None])
        measured |= {
            "mse": mse(one, near)[0],
            "psnr": psnr(one, near, units.extent)[0],
            "correlation": correlation(one, near)[0],
        }
        if x.ndim == 3 and min(x.shape[:2]) >= 8:
            measured["ssim"] = ssim(one, near, units.extent)[0]
    return {name: float(value) for name, value in measured.items()}


def baseline(victim: Victim, truth: Shaped[np.ndarray, "target *feature"]) -> Float[np.ndarray, "target"] | None:
    """The PSNR of each of users' records with the mean of the records that the victim was not trained on; None without any."""
    assert victim.dataset is not None
    assert victim.member is not None
    units, others = units_of(victim), victim.dataset.x[~victim.member]
    if not len(others):
        return None
    mean = units(others.reshape(-1, *truth.shape[1:])).mean(axis=0, dtype=np.float64)
    return psnr(units(truth), np.broadcast_to(mean, truth.shape), units.extent)


def gallery(
    victim: Victim, inversion: Inversion, truth: Shaped[np.ndarray, "target *feature"] | None = None
) -> tuple[tuple[GalleryEntry, ...], dict[int, UInt8[np.ndarray, "..."]]]:
    """The pictures of a report: what was made of the first targets, on the way too, and the members beside it.

    Args:
        victim: whose reconstructions they are.
        inversion: the reconstructions.
        truth: the very records that were to be made, where there are such; they stand for the nearest members.

    Returns:
        Entries that number pictures, and those pictures; nothing where records are no pictures.
    """
    shape = victim.oracle.access.inputs.shape
    if len(shape) != 3 or shape[2] not in (1, 3):
        return (), {}
    pictures: dict[int, np.ndarray] = {}

    def number(x: np.ndarray) -> int:
        pictures[len(pictures)] = _bytes(x, victim)
        return len(pictures) - 1

    def entry(row: int, target: int) -> GalleryEntry:
        known = victim.dataset is not None and victim.member is not None
        members = _members(victim, target) if known else np.zeros((0, *shape))
        beside = members[nearest(inversion.x[row][None], members).record[0]] if len(members) else None
        beside = beside if truth is None else truth[row]
        return GalleryEntry(
            target=target,
            mean=number(members.mean(axis=0)) if len(members) else None,
            nearest=None if beside is None else number(beside),
            made=number(inversion.x[row]),
            frames=tuple((frame.step, number(frame.x[row])) for frame in inversion.frames),
            draw=None if inversion.draws is None else number(inversion.draws[row % len(inversion.draws)]),
        )

    return tuple(entry(row, int(target)) for row, target in enumerate(inversion.target[:_SHOWN])), pictures


def _bytes(x: np.ndarray, victim: Victim) -> UInt8[np.ndarray, "height width channel"]:
    inputs = victim.oracle.access.inputs
    share = (x - inputs.low) / np.maximum(inputs.high - inputs.low, np.finfo(float).tiny)
    return np.rint(255 * np.nan_to_num(share).clip(0, 1)).astype(np.uint8)
