"""What was measured in the cells of a matrix, kept on disk: each cell a file, named by a digest of all that decides it.

    OUT/cells/<digest>.json     {"format", "identity", "measurement", "sha256"}

A cell is written when it is measured, whole or not at all, so that a matrix that was killed goes on at the next cell. What
is read is held against what was asked for: the identity must be the same, the measurement must be one of its kind, within
its ranges, and the file's own digest must be right.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from jaxattack.audit.findings import values
from jaxattack.disk import make_folder, read_json, remove_abandoned, write_json
from jaxattack.metrics import Estimate
from jaxattack.types import FolderError, InputError, config

FORMAT = 1
_CELL = re.compile(r"[0-9a-f]{24}\.json|\..*\.partial")
Measurement = TypeVar("Measurement", bound="MembershipMeasurement | ExtractionMeasurement | InversionMeasurement")


def is_matrix(folder: Path) -> bool:
    """Whether a folder is of a matrix: it has cells and nothing else in their place, and no run or report of its own."""
    cells = folder / "cells"
    if not cells.is_dir() or (folder / "run.json").exists():
        return False
    if not all(_CELL.fullmatch(path.name) for path in cells.iterdir()):
        return False
    try:
        return read_json(folder / "report.json").get("kind") == "matrix"
    except InputError:  # it was stopped before its report, or that is damaged: it is written anew
        return any(cells.iterdir()) or (folder / "sweeps").is_dir() or {*folder.iterdir()} == {cells}


def require_matrix(out: Path) -> None:
    """Refuse a folder that is neither empty nor of a matrix: the report of something else would be overwritten.

    Raises:
        InputError: it holds something else.
    """
    if out.is_dir() and any(out.iterdir()) and not is_matrix(out):
        raise InputError(f"{out} holds files that are no matrix: give an empty or a new folder.")


def digest(identity: Any) -> str:
    """What a file or a folder is called by: a digest of plain values."""
    return _sha256(identity)[:24]


def _sha256(plain: Any) -> str:
    return hashlib.sha256(json.dumps(values(plain), sort_keys=True).encode()).hexdigest()


@config
class Figure:
    """A share with its uncertainty, as `jaxattack.metrics.Estimate`; None stands for a number that is not finite.

    Attributes:
        value: 0 to 1.
        variance: of the value.
        freedom: degrees of freedom of the variance.
        trials: independent trials at least.

    Raises:
        InputError: a value out of range.
    """

    value: float
    variance: float | None
    freedom: float | None
    trials: int

    def __post_init__(self) -> None:
        low = [self.variance is not None and self.variance < 0, self.freedom is not None and self.freedom <= 0]
        if not 0 <= self.value <= 1 or self.trials < 1 or any(low):
            raise InputError(f"figure is {self}: give a share with its variance.")

    @property
    def estimate(self) -> Estimate:
        """As the metrics have it."""
        variance = float("nan") if self.variance is None else self.variance
        freedom = float("inf") if self.freedom is None else self.freedom
        return Estimate(value=self.value, variance=variance, freedom=freedom, trials=self.trials)


@config
class MembershipMeasurement:
    """What a membership attack found.

    Attributes:
        targets: models that were attacked.
        negatives: non-members of all of them.
        false_positives: accused at each false-positive rate of `jaxattack.audit.curves.FPRS`.
        tpr: the true-positive rate at each.
        auc: the area under the curve.
        seconds: that scoring took.

    Raises:
        InputError: a value out of range.
    """

    targets: int
    negatives: int
    false_positives: tuple[int, ...]
    tpr: tuple[Figure, ...]
    auc: Figure
    seconds: float

    def __post_init__(self) -> None:
        counts = (self.targets, self.negatives, *self.false_positives)
        if min(counts) < 0 or len(self.tpr) != len(self.false_positives) or not 0 <= self.seconds < 2**53:
            raise InputError("a count is negative, or rates are missing.")


@config
class ExtractionMeasurement:
    """What an extraction got.

    Attributes:
        agreement: share of records held out on which the stolen model answers as the victim; of random inputs where
            there are none.
        low: of its 95% interval.
        high: of its 95% interval.
        records: on which they were compared.
        queries: asked by the attack.
        complete: whether the attack came to its end and the stolen model labels all records held out, and all random inputs
            that were compared, as the victim does.
        curve: (queries, agreement) on the way.
        seconds: of the attack.

    Raises:
        InputError: a value out of range.
    """

    agreement: float
    low: float
    high: float
    records: int
    queries: int
    complete: bool
    curve: tuple[tuple[int, float], ...]
    seconds: float

    def __post_init__(self) -> None:
        shares = (self.low, self.agreement, self.high, *(share for _, share in self.curve))
        counts = (self.records, self.queries, *(queries for queries, _ in self.curve))
        if not all(0 <= share <= 1 for share in shares) or min(counts) < 0 or not 0 <= self.seconds < 2**53:
            raise InputError("a share is not within 0 and 1, or a count is negative.")


@config
class InversionMeasurement:
    """What an inversion made.

    Attributes:
        targets: classes.
        recognised: share of them whose record the judge takes for its class; None where nothing could judge.
        recognised_by_victim: the same by the victim.
        queries: asked of the victim.
        gradients: of the victim, for an attack on its weights.
        seconds: of the attack, without its judge.

    Raises:
        InputError: a value out of range.
    """

    targets: int
    recognised: float | None
    recognised_by_victim: float | None
    queries: int
    gradients: int
    seconds: float

    def __post_init__(self) -> None:
        shares = [share for share in (self.recognised, self.recognised_by_victim) if share is not None]
        counts = (self.targets, self.queries, self.gradients)
        if not all(0 <= share <= 1 for share in shares) or min(counts) < 0 or not 0 <= self.seconds < 2**53:
            raise InputError("a share is not within 0 and 1, or a count is negative.")


@config
class Refusal:
    """Why nothing was measured.

    Attributes:
        reason: in a sentence.

    Raises:
        InputError: no sentence.
    """

    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip() or not self.reason.isprintable():
            raise InputError("there is no reason.")


class CellFolder:
    """The cells of a matrix on disk.

    Attributes:
        path: of the folder, which is made where missing.
        new_cells: how many were not there and were measured since.
    """

    def __init__(self, path: Path):
        make_folder(path)
        remove_abandoned(path)
        self.path, self.new_cells = path, 0

    def measure(
        self, identity: dict[str, Any], kind: type[Measurement], compute: Callable[[], Measurement]
    ) -> Measurement | Refusal:
        """A cell as it was kept, or measured now and kept; what an attack refuses with a sentence is kept too.

        Args:
            identity: all that decides it, as plain values.
            kind: what is measured in such cells.
            compute: measures it.

        Raises:
            InputError: a file that is damaged, of this folder or of what is measured, or that cannot be written.
        """
        file = self.path / f"{digest(identity)}.json"
        if file.exists() or file.is_symlink():
            return _read(file, values(identity), kind)
        try:
            result = compute()
        except FolderError:
            raise  # once the folder is mended the cell can be measured
        except InputError as error:
            result = Refusal(reason=" ".join(str(error).split()))
        content = {"format": FORMAT, "identity": values(identity), "measurement": _plain(result)}
        write_json(file, content | {"sha256": _sha256(content)})
        self.new_cells += 1
        return result


def _plain(measurement: Any) -> dict[str, Any]:
    return {field.name: values(getattr(measurement, field.name)) for field in dataclasses.fields(measurement)}


def _read(file: Path, identity: Any, kind: type[Measurement]) -> Measurement | Refusal:
    try:
        content = read_json(file)
        checksum = content.pop("sha256")
        if checksum != _sha256(content):
            raise ValueError("its digest is another")
        if content["format"] != FORMAT or content["identity"] != identity:
            raise ValueError("it is of another cell")
        return _measurement(content["measurement"], kind)
    except (KeyError, TypeError, ValueError) as error:  # InputError is one of the last
        # What a file of any folder says of itself ends in a remedy of its own, which is not a cell's.
        cause = error.__cause__ or "it is no object of JSON" if isinstance(error, FolderError) else error
        reason = f"it has no {cause}" if isinstance(cause, KeyError) else f"{cause}".rstrip(".")
        raise InputError(
            f"{file} is damaged ({reason:.200}): delete this file and give the same command again; only this cell is "
            "measured again."
        ) from error


def _measurement(plain: Any, kind: type[Measurement]) -> Measurement | Refusal:
    if {*plain} == {"reason"}:
        return Refusal(**plain)
    if kind is MembershipMeasurement:
        plain = plain | {"auc": Figure(**plain["auc"]), "tpr": tuple(Figure(**one) for one in plain["tpr"])}
    return kind(**plain)
