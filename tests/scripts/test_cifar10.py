"""The reproductions end to end on a few small images, and what they say where CIFAR-10 is not at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cifar10
import lira_cifar10
import numpy as np
import pytest
import rmia_cifar10

from jaxattack import Dataset, InputError, Recipe
from jaxattack.attacks.membership import ATTACKS, by_label, lookup, signals_of
from jaxattack.audit import sweep

SCRIPTS = Path(cifar10.__file__).parent


def images(records: int, side: int) -> Dataset:
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (records, side, side, 1)).astype(np.uint8)
    return Dataset(x=x, y=random.integers(0, 10, records), classes=10, name="noise")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduction")
    recipe = Recipe(epochs=4, batch=20, learning_rate=0.05, flip=True, crop=1)
    setting = cifar10.Setting(records=200, models=8, model="softmax", recipe=recipe, epochs=(1,), epoch_models=8)
    return cifar10.Run(
        name="tiny",
        kind="quick",
        setting=setting,
        dataset=images(240, 8),
        folder=folder / "run",
        results=folder / "kept",
    )


@pytest.fixture(scope="module")
def attacked(tiny):
    return lira_cifar10.reproduce(tiny)


def test_lira_gives_every_attack_every_curve_and_what_it_cost(tiny, attacked):
    expected = [*lira_cifar10.LABELS, *lira_cifar10.LEAVE_ONE_OUT, *lira_cifar10.CODE]
    assert [attack["name"] for attack in attacked["attacks"]] == expected
    for attack in attacked["attacks"]:
        assert attack["roc"]["negatives"] == 8 * 100
        assert attack["resolvable"] | {"0.01": True, "0.001": False} == attack["resolvable"]
    curves = attacked["curves"]
    assert [point["models"] for point in curves["models"]["online, fixed variance"]] == [8]
    assert [point["queries"] for point in curves["queries"]["online"]] == [1, 2, 9, 18]
    (epochs,) = curves["epochs"].values()
    assert [point["epochs"] for point in epochs] == [1, 4]
    fitted = [point["victims"]["train_accuracy"]["mean"] for point in epochs]
    assert fitted[0] < fitted[1] == pytest.approx(attacked["victims"]["train_accuracy"]["mean"], abs=0.05)
    assert attacked["n"] | {"targets": 8, "members": 100, "queries": 18} == attacked["n"]
    assert set(attacked["seconds"]) == {"compile", "train", "observe", "score", "curves", "report", "total"}
    assert attacked["seconds"]["total"] == pytest.approx(sum(attacked["seconds"].values()) / 2)
    assert attacked["memory_bytes"] > 0


def test_lira_says_by_either_protocol_which_relations_of_the_paper_hold(attacked):
    claims = [one["claim"] for one in attacked["relations"]]
    expected = ["18 queries above 1", "online above offline", "fixed variance above one per record", "4 epochs above 1"]
    assert claims == [f"{claim}, {protocol}" for protocol in ("independent", "leave-one-out") for claim in expected]
    for one in attacked["relations"]:
        assert set(one["figures"]) == {"auc"}  # 800 non-members allow 8 false positives at 1%
    attack = {entry["label"]: entry for entry in attacked["attacks"]}
    online = attacked["relations"][1]["figures"]["auc"]["difference"]
    assert online == pytest.approx(
        attack["online, fixed variance"]["auc"] - attack["offline, fixed variance"]["auc"], abs=1e-9
    )


def test_all_queries_of_the_curve_are_the_attack_itself(attacked):
    by_label = {attack["label"]: attack for attack in attacked["attacks"]}
    for label, points in attacked["curves"]["queries"].items():
        assert points[-1]["tpr"] == by_label[label]["tpr"]


def test_results_tables_figures_and_the_report_are_written(tiny, attacked):
    names = {path.name for path in tiny.results.iterdir()}
    assert names == {
        "tiny.json",
        "tiny.txt",
        *(f"tiny-{figure}.{suffix}" for figure in ("roc", "curves") for suffix in ("pdf", "png")),
    }
    assert json.loads((tiny.results / "tiny.json").read_text())["attacks"] == json.loads(
        json.dumps(attacked["attacks"])
    )
    assert (tiny.results / "tiny-roc.pdf").read_bytes().startswith(b"%PDF")
    assert (tiny.folder / "models" / "report.html").exists()
    text = (tiny.results / "tiny.txt").read_text()
    assert "8 models softmax, 4 epochs on 100 of 200 records, 18 queries" in text
    assert "Carlini et al." in text


def test_rmia_attacks_the_same_models_without_training(tiny, attacked, monkeypatch):
    def explode(*arguments, **options):
        raise AssertionError("something is trained")

    monkeypatch.setattr(sweep, "Engine", explode)
    found = rmia_cifar10.reproduce(replace(tiny, name="tiny_rmia"))
    names = [attack["name"] for attack in found["attacks"]]
    assert [name for name in names if name.startswith(f"{cifar10.TAYLOR}-")] == [
        f"{cifar10.TAYLOR}-{k}" for k in (1, 2)
    ]
    assert names[-len(rmia_cifar10.ALL) :] == list(rmia_cifar10.ALL)
    assert {attack["roc"]["negatives"] for attack in found["attacks"]} == {8 * 100}
    assert [one["claim"] for one in found["relations"]] == [
        "online above offline, all references",
        "online above LiRA online, all references",
    ]  # 8 models have no 4 pairs beside the target's
    assert (tiny.results / "tiny_rmia-roc.pdf").exists()


def test_both_scripts_ask_for_the_same_signals():
    one, other = (
        signals_of((*ATTACKS.values(), *map(lookup, script))) for script in (lira_cifar10.LABELS, rmia_cifar10.ALL)
    )
    assert one == other


def test_published_and_expected_rows_are_of_attacks_that_are_run():
    lira = {*lira_cifar10.LABELS, *lira_cifar10.CODE}
    rmia = {*rmia_cifar10.ALL, *(attack.name for attack in rmia_cifar10.few_references(256))}
    for name in (*lira, *rmia_cifar10.ALL):
        assert [*by_label([lookup(name)])] == [name]
    for run, script in ((lira, lira_cifar10), (rmia, rmia_cifar10)):
        assert {row.attack for row in script.PUBLISHED} <= run
        assert all({*ranges} <= run for ranges in script.EXPECTED.values())
        assert set(script.EXPECTED) <= set(cifar10.SETTINGS)


def test_the_command_line_names_the_run_by_what_differs(tmp_path):
    np.savez(tmp_path / "c.npz", x=np.zeros((10, 32, 32, 3), np.uint8), y=np.arange(10))
    data = ("--data", str(tmp_path / "c.npz"))
    run = cifar10.parse("lira_cifar10", "", data)
    assert (run.name, run.setting, run.whole) == ("lira_cifar10_fast", cifar10.SETTINGS["fast"], True)
    assert run.folder == cifar10.parse("rmia_cifar10", "", data).folder
    quick = cifar10.parse("lira_cifar10", "", [*data, "--quick", "--models", "12", "--epochs"])
    assert (quick.name, quick.setting.epochs, quick.whole) == ("lira_cifar10_quick_12", (), False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--models", "6"), "models is 6: give an even number from 8"),
        (("--models", "9"), "models is 9: give an even number from 8"),
        (("--epochs", "5", "0"), "epochs is 0: give a whole number from 1"),
        (("--quick", "--recipe", "paper"), "leave one of them out"),
        (("--vmap", "0"), "vmap is 0: give 1 or more models"),
    ],
)
def test_what_cannot_be_attacked_is_refused_before_anything_is_read(options, said):
    with pytest.raises(InputError, match=said):
        cifar10.parse("lira_cifar10", "", options)


def test_other_images_are_refused(tmp_path):
    np.savez(tmp_path / "small.npz", x=np.zeros((10, 8, 8, 3), np.uint8), y=np.arange(10))
    with pytest.raises(InputError, match=r"shape \(8, 8, 3\) in 10 classes: give CIFAR-10"):
        cifar10.read(str(tmp_path / "small.npz"))


@pytest.mark.parametrize("script", ["lira_cifar10"])
def test_without_cifar10_a_sentence_says_what_to_give(script, tmp_path):
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), "--data", str(tmp_path / "none.npz")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"JAX_PLATFORMS": "cpu"}, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{script}: CIFAR-10 is not at hand as ")
    assert "give --data FILE.npz with x" in line
