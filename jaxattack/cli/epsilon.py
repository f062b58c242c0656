"""The command `epsilon`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from jaxattack.audit import EpsilonAudit, Findings, read_canary_scores
from jaxattack.audit import epsilon as bound_epsilon
from jaxattack.cli.output import Output, OutputOptions, flat, publish

AuditOptions = Annotated[EpsilonAudit, flat("The claim")]
_AUDIT, _OUTPUT = EpsilonAudit(), Output()


def epsilon(
    scores: Path,
    /,
    *,
    audit: AuditOptions = _AUDIT,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """How private is it at most? Bound epsilon from below by canaries that an attack tells apart.

    SCORES is an .npz of any framework's `score`, higher for canaries that are in, and `member`, 0 or 1: [model, canary]; or
    one entry a score, with `canary` and `model` beside them where there are several.

    Examples:

        jaxattack epsilon scores.npz --coins-independent

        jaxattack epsilon gradients.npz --losses-independent --declare gaussian --upper 4.4

    Args:
        scores: the .npz file.
        out: the report's folder; by default beside the file.
    """
    given = read_canary_scores(scores)
    found = bound_epsilon(given.score, given.member, audit=audit, name=scores.name)
    publish(out or scores.with_suffix(".epsilon"), Findings(found, {}), output)
