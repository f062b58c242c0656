"""The commands `report` and `compare`: nothing is lost, every folder has its page, and one figure is written where it is asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from paired import DEFENDED, PLAIN, write_run

from jaxattack.cli.compare import compare
from jaxattack.cli.figure import Alone
from jaxattack.cli.output import Output
from jaxattack.cli.report import report
from jaxattack.report import read, write
from jaxattack.types import InputError

QUIET = Output(quiet=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("runs") / "plain", PLAIN)
    report(folder, attacks=("lira-online", "loss", "gap"), output=QUIET)
    return folder


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_report_of_fewer_attacks_does_not_take_the_place_of_one_of_more(run, tmp_path):
    before = files(run)
    for out in (None, run / ".." / "plain"):
        with pytest.raises(
            InputError, match=r"holds a report of 3 attacks, and 2 of them .* would be lost: give --out"
        ):
            report(run, attacks=("loss",), output=QUIET, out=out)
    assert files(run) == before
    report(run, attacks=("loss",), output=QUIET, out=tmp_path / "fewer")
    assert [attack["name"] for attack in read(tmp_path / "fewer")["attacks"]] == ["loss"]
    assert files(run) == before


def test_one_figure_is_written_alone(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = files(run)
    report(
        run,
        attacks=("loss",),
        alone=Alone(figure="roc", names=("L, one model",), format="svg"),
        out=tmp_path / "figures",
    )
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["roc.svg"]
    assert "L, one model (AUC" in (tmp_path / "figures" / "roc.svg").read_text()
    assert f"Wrote {tmp_path / 'figures' / 'roc.svg'}" in capsys.readouterr().err.replace("\n", "")
    report(run, alone=Alone(figure="vulnerability"), output=QUIET)
    assert (tmp_path / "vulnerability.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(
        InputError, match="is the report's own figure: give another folder with --out, or the format pdf"
    ):
        report(run, alone=Alone(figure="roc", format="svg"), out=run)
    assert files(run) == before
    for arguments, message in (
        ({"alone": Alone(figure="rox")}, "figure is 'rox'"),
        ({"alone": Alone(names=("a",))}, "no figure is named"),
    ):
        with pytest.raises(InputError, match=message):
            report(run, **arguments)
    with pytest.raises(InputError, match="format is png and no figure is named"):
        Alone(format="png")


def test_other_folders_are_drawn_anew_from_their_findings_and_pictures(tmp_path):
    folder = tmp_path / "evasion"
    findings = evasion()
    pictures = {number: np.full((4, 4, 1), 40 * number, np.uint8) for number in range(3)}
    write(folder, findings, pictures)
    before = files(folder)
    (folder / "gallery.svg").unlink()
    (folder / "report.html").write_text("damaged")
    report(folder, output=QUIET)
    assert files(folder) == before
    assert read(folder) == findings
    (folder / "pictures.npz").unlink()
    with pytest.raises(
        InputError, match=r"has gallery.png and gallery.svg, which cannot be made again .* give another folder"
    ):
        report(folder, output=QUIET)
    assert (folder / "gallery.svg").exists()
    report(folder, output=QUIET, out=tmp_path / "without")
    assert not (tmp_path / "without" / "gallery.svg").exists()
    with pytest.raises(InputError, match="is no membership run"):
        report(folder, attacks=("loss",), output=QUIET)
    with pytest.raises(InputError, match="holds neither a run nor a report"):
        report(tmp_path / "nothing", output=QUIET)


@pytest.mark.parametrize(
    "damage", [{"victim": 1}, {"curve": 1}, {"gallery": [{}]}, {"success": {"records": "x"}}, {"cost": {"seconds": 3}}]
)
def test_damaged_findings_are_refused_in_one_sentence_and_nothing_is_written(damage, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(evasion() | damage))
    with pytest.raises(InputError, match=r"report.json is not as this version writes it \(.*: make it again"):
        report(tmp_path, output=QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("options", [{"attacks": ("loss",)}, {"declare": "loss"}, {"protocol": "leave-one-out"}])
def test_attacks_of_findings_that_are_compared_as_they_are_are_refused(options, tmp_path):
    for name in ("one", "other"):
        write(tmp_path / name, evasion())
    (name,) = options
    with pytest.raises(InputError, match=f"{name} is given and reports are compared, .*: leave {name} out"):
        compare(tmp_path / "one", tmp_path / "other", output=QUIET, out=tmp_path / "both", **options)
    assert not (tmp_path / "both").exists()
    compare(tmp_path / "one", tmp_path / "other", output=QUIET, out=tmp_path / "both")
    assert read(tmp_path / "both")["subject"] == "report"


def evasion():
    """Findings on a record that was never changed."""
    quartiles = {"lower": 0.1, "median": 0.2, "upper": 0.3}
    record = {"record": 0, "label": 3, "right": True, "success": True, "answer": 8, "questions": 90}
    return {
        "format": 1, "kind": "evasion", "title": "softmax · hopskipjump", "warnings": [], "notes": [],
        "victim": {
            "name": "softmax", "level": "label", "classes": 10, "features": 30, "top": 0, "decimals": None,
            "precision": "float64", "transport": "in this process",
        },
        "attack": {
            "name": "hopskipjump", "settings": {"queries": 90}, "complete": True, "reason": "", "notes": {},
            "white_box": False, "stolen": None,
        },
        "success": {"records": 1, "right": 1, "fooled": 1, "among_right": 1.0, "interval": [0.1, 1.0], "among_all": 1.0},
        "distance": dict.fromkeys(("l0", "l1", "l2", "linf"), quartiles),
        "curve": {norm: {"distance": [0.0, 0.1], "share": [0.0, 1.0]} for norm in ("l2", "linf")},
        "records": [record | dict.fromkeys(("l0", "l1", "l2", "linf"), 0.2)],
        "gallery": [{"label": 3, "answer": 8, "record": 0, "example": 1, "change": 2}],
        "cost": {
            "queries": 90, "questions": 90, "calls": 9, "bytes": 0, "price": 0.1, "kept": 0, "gradients": 0,
            "memory_bytes": 1 << 28, "device": "1 x cpu", "seconds": {"extraction": None, "attack": 1.5, "total": 3.6},
        },
        "config": {"method": "hopskipjump"}, "environment": {"jax": "0"}, "command": "jaxattack evade softmax",
    }  # fmt: skip


def test_compare_writes_a_report_or_one_figure(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = write_run(tmp_path / "defended", DEFENDED)
    options = {"attacks": ("loss", "gap"), "output": QUIET}
    compare(run, other, alone=Alone(names=("none", "some, of all")), **options)
    (folder,) = (tmp_path / "jaxattack-runs").iterdir()
    assert folder.name.startswith("compare-none-some--of-all-")
    assert [one["name"] for one in read(folder)["runs"]] == ["none", "some, of all"]
    compare(run, other, alone=Alone(figure="roc", format="svg"), **options)
    assert "plain (AUC" in (tmp_path / "roc.svg").read_text()
    with pytest.raises(InputError, match="figure is 'rox': a report on compare has roc, differences, cells"):
        compare(run, other, alone=Alone(figure="rox"), **options)
    with pytest.raises(InputError, match="audits has 1: give two to 6"):
        compare(run, **options)
