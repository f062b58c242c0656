"""What is compared with what: runs with runs, matrices with matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit.comparison.matrices import compare_matrices, is_matrix, side_of_matrix
from jaxattack.audit.comparison.reports import compare_reports, is_report, side_of_report
from jaxattack.audit.comparison.runs import compare_runs
from jaxattack.audit.comparison.side import Side, side_of_observations, side_of_path
from jaxattack.audit.findings.comparison import ComparisonFindings
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.types import InputError, MembershipAttack, Observations, Progress, check_arguments

MOST = 6
"""Audits at once: as many curves as can be told apart."""


@dataclass(frozen=True, kw_only=True, repr=False)
class ComparisonResult(Reportable):
    """A comparison.

    Attributes:
        findings: for `jaxattack.report`.
    """

    findings: ComparisonFindings


@check_arguments("attacks", "progress")
def compare(
    *audits: str | Path | Observations,
    names: Sequence[str] = (),
    attacks: Sequence[MembershipAttack] = tuple(ATTACKS.values()),
    declare: MembershipAttack | None = None,
    progress: Progress | None = None,
) -> ComparisonResult:
    """Compare audits with the first of them; nothing is trained.

    Args:
        audits: two to six: run folders, .npz files of observations or observations; or the folders of matrices; or of reports of
            one other kind, whose figures are compared without pairing.
        names: of each; by default those of the folders and files.
        attacks: on membership, that are run on each.
        declare: one of them, chosen before it is known which is the strongest: the headline speaks of it, and its interval
            need not allow for the choice among all.
        progress: called as work is done.

    Raises:
        InputError: one audit or too many, names that are not one each, what is no audit or a damaged one, audits of
            different kinds, or attacks that cannot be run.

    Example:
        >>> member = ja.designs.Halves()(models=8, records=40, seed=0)
        >>> noise = np.random.default_rng(0).normal(size=(*member.shape, 1))
        >>> def observe(leak):
        ...     phi = noise + leak * member[:, :, None]
        ...     return ja.Observations(signals={"phi": phi}, member=member, label=np.zeros(40, int))
        >>> both = ja.compare(observe(0.5), observe(3.0), names=("little", "much"), attacks=(ja.attacks.LiRA(online=True),))
        >>> both.findings.kind
        'compare'
    """
    if not 2 <= len(audits) <= MOST:
        raise InputError(f"audits has {len(audits)}: give two to {MOST}.")
    called = names_of(audits, names)
    matrices = [not isinstance(audit, Observations) and is_matrix(Path(audit)) for audit in audits]
    if all(matrices):
        folders = [Path(audit) for audit in audits if not isinstance(audit, Observations)]
        sides = [side_of_matrix(folder, name) for folder, name in zip(folders, called, strict=True)]
        return ComparisonResult(findings=compare_matrices(sides))
    if any(matrices):
        raise InputError(
            f"{called[matrices.index(True)]} is a matrix and {called[matrices.index(False)]} is none: compare runs with runs and "
            "matrices with matrices."
        )
    reports = [not isinstance(audit, Observations) and is_report(Path(audit)) for audit in audits]
    if all(reports):
        folders = [Path(audit) for audit in audits if not isinstance(audit, Observations)]
        return ComparisonResult(
            findings=compare_reports([side_of_report(*one) for one in zip(folders, called, strict=True)])
        )
    sides = [_side(audit, name, tuple(attacks)) for audit, name in zip(audits, called, strict=True)]
    return ComparisonResult(findings=compare_runs(sides, attacks, declare=declare, progress=progress))


def _side(audit: str | Path | Observations, name: str, attacks: tuple[MembershipAttack, ...]) -> Side:
    if isinstance(audit, Observations):
        return side_of_observations(audit, name)
    return side_of_path(Path(audit), name, attacks)


def names_of(audits: Sequence[str | Path | Observations], names: Sequence[str]) -> list[str]:
    """What each is called: as it is told, or the last part of its path that tells it from the others.

    Raises:
        InputError: not one name each, one that is empty or not printable, or two alike.
    """
    if names and len(names) != len(audits):
        raise InputError(f"names has {len(names)} and there are {len(audits)} audits: give one each.")
    called = [*names] or [
        f"observations {number}" if isinstance(audit, Observations) else Path(audit).resolve().name
        for number, audit in enumerate(audits, start=1)
    ]
    if not names and len({*called}) < len(called):
        called = [f"{name} ({number})" for number, name in enumerate(called, start=1)]
    wrong = [name for name in called if not name.strip() or not name.isprintable()]
    if wrong:
        raise InputError(f"names has {wrong[0]!r}: give each audit a printable name.")
    if len({*called}) < len(called):
        twice = next(name for name in called if called.count(name) > 1)
        raise InputError(f"names has {twice!r} twice: give each audit a name of its own.")
    return called
