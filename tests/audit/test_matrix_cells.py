"""Cells of a matrix on the disk: kept as they were measured, and believed only so."""

from __future__ import annotations

import json

import pytest

from jaxattack.audit.matrix import cells
from jaxattack.audit.matrix.cells import CellFolder, Figure, MembershipMeasurement, Refusal, digest
from jaxattack.disk import read_arrays
from jaxattack.types import InputError

DAMAGE = {
    "half written": lambda text: text[: len(text) // 2],
    "another number": lambda text: text.replace('"targets": 4', '"targets": 5', 1),
    "no object": lambda text: "[1, 2]",
    "no measurement": lambda text: json.dumps({"format": 1, "sha256": digest({})}),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_cell_is_refused_by_name(tmp_path, how):
    folder = CellFolder(tmp_path)
    figure = Figure(value=0.5, variance=0.1, freedom=None, trials=3)
    measured = MembershipMeasurement(
        targets=4, negatives=5, false_positives=(1,), tpr=(figure,), auc=figure, seconds=1.0
    )
    assert folder.measure({"a": 1}, MembershipMeasurement, lambda: measured) == measured
    assert CellFolder(tmp_path).measure({"a": 1}, MembershipMeasurement, lambda: None) == measured
    (file,) = tmp_path.iterdir()
    file.write_text(DAMAGE[how](file.read_text()))
    with pytest.raises(InputError, match=file.name) as refusal:
        folder.measure({"a": 1}, MembershipMeasurement, lambda: measured)
    assert str(refusal.value).count(file.name) == 1
    assert "the folder" not in str(refusal.value)  # one remedy: the cell's own


@pytest.mark.parametrize(
    "change",
    [
        lambda cell: cell["auc"].update(value=2.0),
        lambda cell: cell.update(targets="many"),
        lambda cell: cell.update(seconds=-1.0),
        lambda cell: cell.pop("tpr"),
        lambda cell: cell.update(more=1),
        lambda cell: cell.update(auc=[1]),
    ],
)
def test_a_cell_that_somebody_else_wrote_is_held_to_its_ranges(tmp_path, change):
    folder = CellFolder(tmp_path)
    figure = Figure(value=0.5, variance=None, freedom=2.0, trials=3)
    measured = MembershipMeasurement(
        targets=4, negatives=5, false_positives=(1,), tpr=(figure,), auc=figure, seconds=1.0
    )
    folder.measure({"a": 1}, MembershipMeasurement, lambda: measured)
    (file,) = tmp_path.iterdir()
    content = json.loads(file.read_text())
    del content["sha256"]
    change(content["measurement"])
    file.write_text(json.dumps(content | {"sha256": cells._sha256(content)}))
    with pytest.raises(InputError, match="delete this file"):
        folder.measure({"a": 1}, MembershipMeasurement, lambda: measured)


def test_a_refusal_is_kept_too_and_a_file_of_another_cell_is_none(tmp_path):
    folder = CellFolder(tmp_path)

    def refuse():
        raise InputError("it cannot be done: do\nsomething else.")

    kept = folder.measure({"a": 1}, MembershipMeasurement, refuse)
    assert kept == Refusal(reason="it cannot be done: do something else.")
    assert folder.measure({"a": 1}, MembershipMeasurement, lambda: None) == kept
    (file,) = tmp_path.iterdir()
    file.rename(tmp_path / f"{digest({'a': 2})}.json")
    with pytest.raises(InputError, match="it is of another cell"):
        folder.measure({"a": 2}, MembershipMeasurement, refuse)


def test_a_damaged_file_is_not_kept_as_what_an_attack_refuses(tmp_path):
    (weights := tmp_path / "weights.npz").write_bytes(b"half")
    folder = CellFolder(tmp_path / "cells")
    with pytest.raises(InputError, match="weights.npz"):
        folder.measure({"a": 1}, MembershipMeasurement, lambda: read_arrays(weights))
    assert not list(folder.path.iterdir())
