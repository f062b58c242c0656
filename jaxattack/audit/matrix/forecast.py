"""What a matrix would take, before it is begun: the models of its columns, as `jaxattack.audit.forecast` measures them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from jaxattack.audit.forecast import Forecast, forecast_membership
from jaxattack.audit.matrix.cells import require_matrix
from jaxattack.audit.matrix.columns import check_column, folder_of
from jaxattack.audit.matrix.plan import MatrixAudit
from jaxattack.audit.plan import MembershipAudit
from jaxattack.training import Placement
from jaxattack.types import InputWarning


@dataclass(frozen=True, kw_only=True)
class ColumnForecast:
    """What the models of some columns of a matrix would take, which are the same models.

    Attributes:
        columns: their names.
        sweep: what training and asking them would take.
    """

    columns: tuple[str, ...]
    sweep: Forecast


@dataclass(frozen=True, kw_only=True)
class MatrixForecast:
    """What a matrix would take, without asking models behind their defences and attacking them.

    Attributes:
        folder: where it would be kept.
        columns: by the models that they have in common.
    """

    folder: str
    columns: tuple[ColumnForecast, ...]


def forecast_matrix(folder: Path, audit: MatrixAudit, *, placement: Placement = Placement()) -> MatrixForecast:
    """What `jaxattack.audit.matrix` would take until all its models are trained.

    Args:
        folder: of the matrix, which is only looked at.
        audit: the matrix.
        placement: how the work is cut.

    Raises:
        InputError: bad input, or a folder of something else.
    """
    require_matrix(folder)
    for column in audit.columns:
        check_column(audit, column)
    names: dict[Path, list[str]] = {}
    sweeps: dict[Path, MembershipAudit] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # what is left out is said of each cell
        for column in audit.columns:
            bare = audit.sweep(column, defended=False)
            place = folder_of(folder, bare)
            names.setdefault(place, []).append(column.name)
            sweeps[place] = bare
        columns = tuple(
            ColumnForecast(
                columns=tuple(names[place]),
                sweep=forecast_membership(place, bare, placement=placement, attack=False),
            )
            for place, bare in sweeps.items()
        )
    return MatrixForecast(folder=str(folder), columns=columns)
