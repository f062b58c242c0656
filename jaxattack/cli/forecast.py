"""What a command would do, for ``--dry-run``: printed, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from jaxattack.audit.findings import values
from jaxattack.cli.output import Output, print_json
from jaxattack.report.wording import count, duration, quantity, size

if TYPE_CHECKING:
    from jaxattack.audit.forecast import Forecast
    from jaxattack.audit.matrix.forecast import MatrixForecast


def print_forecast(forecast: Forecast, output: Output) -> None:
    """Print what a sweep would take, for a person or as JSON."""
    if output.json:
        print_json(values(forecast))
    else:
        _print_rows(_rows(forecast))


def print_matrix_forecast(forecast: MatrixForecast, output: Output) -> None:
    """Print what training the models of a matrix would take, for a person or as JSON."""
    if output.json:
        print_json(values(forecast))
        return
    sweeps = [column.sweep for column in forecast.columns]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for head in ("columns", "models", "to train", "steps", "disk", "time"):
        table.add_column(head, justify="left" if head == "columns" else "right")
    for column in forecast.columns:
        sweep = column.sweep
        table.add_row(
            ", ".join(column.columns),
            count(sweep.models),
            count(sweep.models - sweep.present),
            count(sweep.gradient_steps),
            size(sweep.disk_bytes),
            duration(sweep.seconds.total),
        )
    Console().print(table)
    _print_rows(
        {
            "folder": forecast.folder,
            "models": f"{count(sum(sweep.models - sweep.present for sweep in sweeps))} to train, "
            f"{count(sum(sweep.gradient_steps for sweep in sweeps))} gradient steps",
            "memory": f"{size(max(sweep.memory_bytes for sweep in sweeps))} until they are trained, of which a program takes up to "
            f"{size(max(sweep.device_bytes for sweep in sweeps))} on each device",
            "disk": size(sum(sweep.disk_bytes for sweep in sweeps)),
            "time": f"about {duration(sum(sweep.seconds.total for sweep in sweeps))} for training; asking the models behind their "
            "defences and attacking them comes on top and is not measured",
        }
    )


def _rows(forecast: Forecast) -> dict[str, str]:
    seconds = forecast.seconds
    phases = {
        "compiling": seconds.compile,
        "training": seconds.train,
        "asking": seconds.observe,
        "attacking": seconds.score,
    }
    there = (
        f"{count(forecast.present)} of {quantity(forecast.models, 'model')} are there" if forecast.present else "new"
    )
    return {
        "folder": f"{forecast.folder} ({there})",
        "models": f"{count(forecast.models - forecast.present)} to train, {forecast.chunk} in a program",
        "members": f"{count(forecast.members)} of {count(forecast.records)} records",
        "parameters": f"{count(forecast.parameters)} a model",
        "steps": f"{count(forecast.gradient_steps)} gradient steps",
        "memory": f"{size(forecast.memory_bytes)}, of which a program takes {size(forecast.device_bytes)} on each device",
        "disk": size(forecast.disk_bytes),
        "time": f"about {duration(seconds.total)}: "
        + ", ".join(f"{name} {duration(spent)}" for name, spent in phases.items() if spent is not None),
        "device": f"{forecast.device}, as busy as it is now",
    }


def _print_rows(rows: dict[str, str]) -> None:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, text in rows.items():
        grid.add_row(name, text)
    Console(highlight=False).print(grid)
    Console(highlight=False).print(
        "Nothing was trained but a first chunk for an epoch, from which the time follows, and nothing was written."
    )
