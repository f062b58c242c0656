"""What is told of adversarial examples: how many fool the victim, how far they are, and pictures of the first."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8

from jaxattack.audit.findings.evasion import (
    Curve,
    CurveFindings,
    DistanceFindings,
    GalleryEntry,
    Quartiles,
    QuestionFindings,
    RecordFindings,
    SuccessFindings,
)
from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.perturb.box import span_of
from jaxattack.types import Evasion, Inputs

SHOWN = 10
"""Records in the gallery."""

POINTS = 200
"""Of a curve, at most."""


def success_findings(evasion: Evasion) -> SuccessFindings:
    """How many records fool the victim."""
    right, fooled = int(evasion.right.sum()), int((evasion.right & evasion.success).sum())
    low, high = map(float, clopper_pearson(fooled, max(right, 1)))
    return SuccessFindings(
        records=len(evasion.right),
        right=right,
        fooled=fooled,
        among_right=evasion.among_right if right else None,
        interval=(low, high) if right else None,
        among_all=evasion.among_all,
    )


def distance_findings(evasion: Evasion) -> DistanceFindings | None:
    """How far the examples are that fool the victim about records it labels right; None where none does."""
    fooled = evasion.right & evasion.success
    if not fooled.any():
        return None
    each = {
        norm: np.quantile(far[fooled], (0.25, 0.5, 0.75)).tolist() for norm, far in evasion.distance._asdict().items()
    }
    return DistanceFindings(
        **{norm: Quartiles(lower=low, median=middle, upper=high) for norm, (low, middle, high) in each.items()}
    )


def curve_findings(evasion: Evasion) -> CurveFindings | None:
    """Success against distance; None where no record was right."""
    if not evasion.right.any():
        return None
    return CurveFindings(l2=_curve(evasion, evasion.distance.l2), linf=_curve(evasion, evasion.distance.linf))


def _curve(evasion: Evasion, distance: Float[np.ndarray, "record"]) -> Curve:
    far = np.sort(distance[evasion.right & evasion.success])
    share = np.arange(1, len(far) + 1) / evasion.right.sum()
    places = _places(len(far))
    return Curve(distance=(0.0, *far[places].tolist()), share=(0.0, *share[places].tolist()))


def _places(count: int) -> Int[np.ndarray, "place"]:
    """Where a curve of so many points is shown."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(POINTS, count)).astype(int))


def question_findings(evasion: Evasion) -> QuestionFindings | None:
    """Success against questions; None where no record was right, or nothing was asked."""
    if not evasion.right.any() or not evasion.questions.any():
        return None
    first = np.sort(evasion.first[evasion.right & evasion.success])
    number, last = np.unique(first, return_index=True)
    share = np.append(last[1:], len(first))[: len(number)] / evasion.right.sum()
    places = _places(len(number))
    return QuestionFindings(
        questions=(0, *number[places].tolist()),
        share=(0.0, *share[places].tolist()),
        median=float(np.median(first)) if len(first) else None,
        most=int(evasion.questions[evasion.right].max()),
    )


def record_findings(
    evasion: Evasion, label: Int[np.ndarray, "record"], answer: Int[np.ndarray, "record"] | None
) -> tuple[RecordFindings, ...]:
    """Each record.

    Args:
        evasion: its example.
        label: its class.
        answer: what the victim labels the example; None where asking would cost.
    """
    return tuple(
        RecordFindings(
            record=record,
            label=int(label[record]),
            right=bool(evasion.right[record]),
            success=bool(evasion.success[record]),
            answer=None if answer is None else int(answer[record]),
            l0=int(evasion.distance.l0[record]),
            l1=float(evasion.distance.l1[record]),
            l2=float(evasion.distance.l2[record]),
            linf=float(evasion.distance.linf[record]),
            questions=int(evasion.questions[record]),
            first=int(evasion.first[record]),
        )
        for record in range(len(label))
    )


def gallery(
    inputs: Inputs,
    x: Float[np.ndarray, "record *feature"],
    label: Int[np.ndarray, "record"],
    evasion: Evasion,
    answer: Int[np.ndarray, "record"] | None,
) -> tuple[tuple[GalleryEntry, ...], dict[int, UInt8[np.ndarray, "height width channel"]]]:
    """The first records that are fooled, their examples and what was changed, as numbered pictures.

    Returns:
        Entries and pictures; nothing where records are no pictures.
    """
    if len(inputs.shape) != 3 or inputs.shape[2] not in (1, 3):
        return (), {}
    entries: list[GalleryEntry] = []
    pictures: dict[int, np.ndarray] = {}
    for record in np.flatnonzero(evasion.right & evasion.success)[:SHOWN]:
        first = len(pictures)
        share = (x[record] - inputs.low) / span_of(inputs)
        change = (evasion.example[record] - x[record]) / span_of(inputs)
        pictures[first] = _bytes(share)
        pictures[first + 1] = _bytes(share + change)
        pictures[first + 2] = _bytes(0.5 + 0.5 * change / max(np.abs(change).max(), 1e-12))
        entries.append(
            GalleryEntry(
                label=int(label[record]),
                answer=None if answer is None else int(answer[record]),
                record=first,
                example=first + 1,
                change=first + 2,
            )
        )
    return tuple(entries), pictures


def _bytes(share: Float[np.ndarray, "height width channel"]) -> UInt8[np.ndarray, "height width channel"]:
    return np.clip(np.round(255 * share), 0, 255).astype(np.uint8)
