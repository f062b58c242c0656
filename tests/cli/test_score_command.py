"""`score`: where the report of a folder of arrays goes, and what it is called."""

from __future__ import annotations

import json

import numpy as np

from jaxattack.cli import application


def test_a_folder_has_its_report_beside_it_under_its_whole_name(tmp_path, monkeypatch):
    folder, rng = tmp_path / "phi-0.5", np.random.default_rng(0)
    folder.mkdir()
    member = np.tile(rng.random((2, 60)) < 0.5, (2, 1))
    member[2:] = ~member[2:]
    arrays = {"member": member, "label": np.zeros(60, int), "phi": rng.normal(size=(4, 60)).astype(np.float32)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    monkeypatch.chdir(folder)
    application()(["score", ".", "--attacks", "loss", "--quiet"], result_action="return_value")
    report = json.loads((tmp_path / "phi-0.5.report" / "report.json").read_text())
    assert report["config"]["observations"] == "phi-0.5"
    assert {path.name for path in folder.iterdir()} == {"member.npy", "label.npy", "phi.npy"}
