"""What a detector that watched an attack's questions saw, as findings."""

from __future__ import annotations

import numpy as np

from jaxattack.audit.findings.extraction import WatchFindings, WatchPoint
from jaxattack.oracle import PRADA
from jaxattack.oracle.prada import Watch

CURVE = 200
"""Tests of a detector that findings keep."""


def watch_findings(detector: PRADA, watch: Watch) -> WatchFindings:
    """What a detector saw of a stream; of many tests an even choice, the first and the last among them."""
    chosen = (
        np.unique(np.linspace(0, len(watch.question) - 1, CURVE).round().astype(int)) if len(watch.question) else []
    )
    points = [(int(watch.question[at]), float(watch.statistic[at])) for at in chosen]
    return WatchFindings(
        detector=detector.name,
        delta=detector.delta,
        questions=watch.questions,
        repeats=watch.repeats,
        alarm=watch.alarm,
        lowest=watch.lowest,
        curve=tuple(WatchPoint(question=question, statistic=statistic) for question, statistic in points),
    )
