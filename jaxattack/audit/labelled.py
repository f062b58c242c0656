"""What attacks find of labelled and of unlabelled members apart, where models learnt from both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.audit.curves import FPRS
from jaxattack.audit.entry import pooled_of
from jaxattack.audit.findings.membership_attack import PartFindings
from jaxattack.metrics import summarise
from jaxattack.training.learners import FixMatch
from jaxattack.training.learners.fixmatch import labelled_records


def labelled_of(identity: Mapping[str, Any], records: int) -> Bool[np.ndarray, "record"] | None:
    """Which of the first records of a run have labels that its models learn; None where all have.

    Args:
        identity: what decides the run, as its folder keeps it.
        records: how many.
    """
    learner = identity.get("learner")
    if not isinstance(learner, Mapping) or learner.get("name") != FixMatch.__name__:
        return None
    return labelled_records(records, float(learner["labelled"]))


def part_findings(
    scores: Float[np.ndarray, "target record"],
    member: Bool[np.ndarray, "target record"],
    labelled: Bool[np.ndarray, "record"] | None,
) -> dict[str, PartFindings] | None:
    """What scores tell of records with labels and of those without, each pooled over the targets.

    Args:
        scores: higher means "more likely a member".
        member: the truth.
        labelled: which records' labels are learnt where they are members; None where all are.

    Returns:
        "labelled" and "unlabelled", where every target has members and others among them; None where all are labelled.
    """
    if labelled is None:
        return None
    sides = {"labelled": labelled, "unlabelled": ~labelled}
    return {
        name: _part(scores[:, rows], member[:, rows])
        for name, rows in sides.items()
        if (member[:, rows].any(axis=1) & ~member[:, rows].all(axis=1)).all()
    }


def _part(scores: Float[np.ndarray, "target record"], member: Bool[np.ndarray, "target record"]) -> PartFindings:
    summary = summarise(scores, member, FPRS)
    return PartFindings(
        records=scores.shape[1], auc_interval=summary.auc_estimate.interval(), **vars(pooled_of(summary))
    )
