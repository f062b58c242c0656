"""The folder: JSON that any reader takes, figures that do not change, and no file left half written."""

from __future__ import annotations

import csv
import io
import json
import os

import matplotlib
import numpy as np
import pytest

from jaxattack.report import folder, read, write
from jaxattack.report.membership.tables import comma_separated
from jaxattack.report.style import Drawing
from jaxattack.types import InputError

FILES = {"report.json", "attacks.csv", "attacks.tex", "report.html"} | {
    f"{name}.{suffix}" for name in ("roc", "tpr_by_models", "histograms", "vulnerability") for suffix in ("svg", "png")
}


BLANK = Drawing(svg='<svg width="1pt" height="1pt"></svg>', png=b"", alt="nothing")


@pytest.fixture
def undrawn(monkeypatch):
    """Figures left blank, for tests of the files alone."""
    monkeypatch.setattr(
        folder,
        "draw_all",
        lambda figures, findings, pictures: {
            name: BLANK for name in figures if name != "poison" and (pictures or name != "vulnerable")
        },
    )


def test_write_returns_what_it_wrote_and_read_gives_the_findings_back(invent, undrawn, tmp_path):
    findings = invent()
    written = write(tmp_path / "new" / "folder", findings)
    assert {path.name for path in written} == FILES
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == FILES
    assert read(tmp_path / "new" / "folder") == findings


def test_json_is_strict_and_unknown_numbers_are_null(invent, undrawn, tmp_path):
    findings = invent()
    findings["attacks"][0]["tied"] = float("nan")
    findings["attacks"][0]["ppv"]["0.01"]["0.1"] = np.float64("inf")
    findings["cost"]["queries"] = np.int64(7)
    write(tmp_path, findings)

    def refuse(constant):
        raise AssertionError(constant)

    values = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    assert values["attacks"][0]["tied"] is None
    assert values["attacks"][0]["ppv"]["0.01"]["0.1"] is None
    assert values["cost"]["queries"] == 7


def test_csv_has_a_row_an_attack_and_a_column_a_number(invent):
    findings = invent()
    rows = list(csv.DictReader(io.StringIO(comma_separated(findings))))
    assert [row["name"] for row in rows] == [attack["name"] for attack in findings["attacks"]]
    row, attack = rows[0], findings["attacks"][0]
    assert float(row["auc"]) == attack["auc"]
    assert float(row["tpr@0.001"]) == attack["tpr"]["0.001"]
    assert [float(row["tpr_low@0.001"]), float(row["tpr_high@0.001"])] == attack["tpr_interval"]["0.001"]
    assert int(row["false_positives@0.01"]) == attack["false_positives"]["0.01"]
    assert (row["resolvable@0.1"], row["resolvable@0.00001"]) == ("true", "false")
    assert float(row["target_auc_sd"]) == attack["per_target"]["auc"]["sd"]
    assert float(row["transferred_fpr_mean@0.0001"]) == attack["transferred"]["0.0001"]["fpr"]["mean"]
    assert float(row["ppv@0.1@0.001"]) == attack["ppv"]["0.1"]["0.001"]


def test_csv_leaves_unknown_values_empty(invent):
    findings = invent()
    findings["attacks"][1] |= {"transferred": {}, "tied": None}
    row = list(csv.DictReader(io.StringIO(comma_separated(findings))))[1]
    assert row["tied"] == row["transferred_fpr_mean@0.1"] == ""


def test_a_report_is_the_same_to_the_byte_whatever_the_users_settings_which_are_left_alone(invent, tmp_path):
    pictures = {record: np.full((8, 8, 1), 10 * record, np.uint8) for record in range(3)}
    first = write(tmp_path / "first", invent(), pictures)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        second = write(tmp_path / "second", invent(), pictures)
        assert dict(matplotlib.rcParams) == before
    assert len(first) == len(FILES) + 3  # the records as figures and as pictures
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_figure_of_an_earlier_report_does_not_outlive_it(invent, undrawn, tmp_path):
    write(tmp_path, invent(), {0: np.zeros((8, 8, 1), np.uint8)})
    assert (tmp_path / "vulnerable.svg").exists()
    write(tmp_path, invent())
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_a_full_disk_leaves_no_temporary_file_and_is_told(invent, undrawn, tmp_path, monkeypatch):
    write(tmp_path, invent())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left on device") as caught:
        write(tmp_path, invent(seed=1))
    assert isinstance(caught.value.__cause__, OSError)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_told(invent, undrawn, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot make the folder"):
        write(tmp_path / "file" / "report", invent())


def test_read_refuses_what_is_no_report(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path)
    (tmp_path / "report.json").write_text('{"format": 2, "attacks": [{}]}')
    with pytest.raises(InputError, match="format 2"):
        read(tmp_path)
