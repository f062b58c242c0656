"""The command line as a user meets it: in its own process, on real data."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command import run
from prepared import real_mnist, write_tfds
from report.readable import check_report
from sklearn import datasets

from jaxattack.audit import load_victim, read_scores
from jaxattack.store import RunFolder

SMALL = ("--models", "8", "--epochs", "4", "--data", "iris", "--model", "mlp:16")
SHORT = ("--epochs", "15", "--chunk", "4", "--attacks", "loss")
"""For many models, of few epochs: what rounding differs by in one step grows a hundredfold in fifty epochs."""


@pytest.fixture(autouse=True)
def _as_a_user_has_it(monkeypatch):
    # Flags that make other tests compile faster would make these run slower.
    monkeypatch.delenv("XLA_FLAGS", raising=False)


def one_sentence(done):
    """The message of a refused command: one line, no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("jaxattack: ")
    assert lines[0].endswith(".")
    return lines[0]


def phi_of(folder, models):
    return RunFolder.existing(folder).observations(models).signal("phi")


def test_a_sweep_writes_a_report_and_a_second_call_only_scores(tmp_path):
    done = run("membership", *SMALL, "--out", "run", "--json", folder=tmp_path)
    findings = json.loads(done.stdout)
    names = {attack["name"] for attack in findings["attacks"]}
    assert {"lira-online", "rmia-offline", "loss", "gap"} <= names
    for key in ("auc", "balanced_accuracy"):
        assert 0 <= findings["attacks"][0][key] <= 1
    assert {"0.1", "0.01", "0.001", "0.0001"} <= findings["attacks"][0]["tpr"].keys()
    assert findings["cost"]["models"] == 8
    assert findings["cost"]["queries"] == 8 * 150
    assert json.loads((tmp_path / "run/report.json").read_text())["title"] == findings["title"]
    assert (tmp_path / "run/report.html").read_text().startswith("<!doctype html>")
    check_report(tmp_path / "run")

    chunks = {file: file.stat().st_mtime_ns for file in (tmp_path / "run").glob("chunk-*")}
    again = json.loads(run("membership", *SMALL, "--out", "run", "--json", folder=tmp_path).stdout)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "run").glob("chunk-*")} == chunks
    assert again["cost"]["seconds"]["train"] == findings["cost"]["seconds"]["train"] > 0
    assert [attack["auc"] for attack in again["attacks"]] == [attack["auc"] for attack in findings["attacks"]]


def test_a_killed_sweep_goes_on_and_ends_as_if_never_killed(tmp_path):
    arguments = ("membership", "--models", "160", *SHORT)
    command = [sys.executable, "-m", "jaxattack", *arguments, "--out", "killed"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    killed = tmp_path / "killed"
    while process.poll() is None and len(list(killed.glob("chunk-*.npz"))) < 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = {file.name: file.stat().st_mtime_ns for file in killed.glob("chunk-*.npz")}
    assert 2 <= len(kept) < 40, "the kill came too late to test anything"

    run(*arguments, "--out", "killed", folder=tmp_path)
    run(*arguments, "--out", "whole", folder=tmp_path)
    assert {name: (killed / name).stat().st_mtime_ns for name in kept} == kept
    np.testing.assert_allclose(phi_of(killed, 160), phi_of(tmp_path / "whole", 160), rtol=1e-4, atol=1e-3)


def test_ctrl_c_stops_at_once_and_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-m", "jaxattack", "membership", "--models", "8000", *SHORT, "--out", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list((tmp_path / "run").glob("chunk-*.npz")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - begin < 15  # of the minutes that the rest would take
    assert "the same command goes on" in said
    assert "Traceback" not in said


def test_a_tfds_set_of_real_digits_runs_from_end_to_end(tmp_path):
    x, y = real_mnist(400)
    write_tfds(tmp_path / "prepared", "handwritten", x, y)
    arguments = ("membership", "--data", "tfds:handwritten", "--model", "cnn:4", "--models", "4", "--epochs", "2")
    environment = {**os.environ, "TFDS_DATA_DIR": str(tmp_path / "prepared")}
    done = run(*arguments, "--queries", "2", "--json", "--out", "run", folder=tmp_path, env=environment)
    findings = json.loads(done.stdout)
    assert findings["models"]["records"] == 400
    assert findings["cost"]["queries"] == 4 * 400 * 2


def test_train_writes_a_model_folder_that_loads(tmp_path):
    done = run(
        "train", "--data", "iris", "--model", "softmax", "--epochs", "200", "--out", "victim", "--json", folder=tmp_path
    )
    described = json.loads(done.stdout)
    victim = load_victim(tmp_path / "victim")
    assert victim.description == described
    assert victim.member.sum() == 75
    assert described["train_accuracy"] > 0.75
    same = ("train", "--data", "iris", "--model", "softmax", "--out", "victim")
    assert "holds this model already" in run(*same, "--epochs", "200", folder=tmp_path).stderr
    refused = one_sentence(run(*same, "--epochs", "2", folder=tmp_path, expect=2))
    assert "victim holds another model (recipe" in refused
    assert "--force" in refused
    assert load_victim(tmp_path / "victim").description == described
    run(*same, "--epochs", "2", "--force", folder=tmp_path)
    assert load_victim(tmp_path / "victim").description["recipe"]["epochs"] == 2


def test_a_learner_is_part_of_what_a_run_is(tmp_path):
    options = ("membership", *SMALL, "--attacks", "loss", "--out", "run")
    run(*options, "--learner", "relaxloss?alpha=0.5", "--json", folder=tmp_path)
    learner = RunFolder.existing(tmp_path / "run").identity["learner"]
    assert learner["loss"] == {"name": "RelaxLoss", "alpha": 0.5, "upper": 1.0, "stop_gradient": True}
    assert "another run (learner is" in one_sentence(run(*options, folder=tmp_path, expect=2))


def test_score_takes_logits_of_any_framework(tmp_path):
    random = np.random.default_rng(0)
    member = np.tile(np.eye(2, dtype=bool)[:, random.integers(0, 2, 200)], (3, 1))
    label = random.integers(0, 5, 200)
    logits = random.standard_normal((6, 200, 5)).astype(np.float32)
    logits[:, np.arange(200), label] += 2.0 * member
    np.savez(tmp_path / "observations.npz", logits=logits, member=member, label=label)
    findings = json.loads(run("score", "observations.npz", "--json", folder=tmp_path).stdout)
    by_name = {attack["name"]: attack for attack in findings["attacks"]}
    assert by_name["lira-online"]["auc"] > 0.7
    assert (tmp_path / "observations.report/report.html").exists()


def test_the_published_protocol_is_asked_for_by_name(tmp_path):
    random = np.random.default_rng(0)
    half = random.random((4, 400)) < 0.5
    phi = random.standard_normal((8, 400)).astype(np.float32)
    np.savez(tmp_path / "o.npz", phi=phi, member=np.concatenate([half, ~half]), label=np.zeros(400, int))
    options = ("--attacks", "lira-online", "--attacks", "loss", "--declare", "lira-online", "--json")
    found = json.loads(
        run("score", "o.npz", *options, "--protocol", "leave-one-out", "--all-scores", folder=tmp_path).stdout
    )
    assert {attack["name"] for attack in found["attacks"]} == {"lira-online?protocol=leave-one-out", "loss"}
    assert {*read_scores(tmp_path / "o.report").scores} == {"lira-online?protocol=leave-one-out", "loss"}
    assert found["claim"]["attack"] == "lira-online?protocol=leave-one-out"
    assert {attack["auc"] for attack in found["attacks"]}.isdisjoint(
        attack["auc"]
        for attack in json.loads(run("score", "o.npz", *options, folder=tmp_path).stdout)["attacks"]
        if attack["name"] == "lira-online"
    )


def test_scores_do_not_take_the_place_of_the_observations(tmp_path):
    phi = np.random.default_rng(0).standard_normal((4, 9))
    np.savez(tmp_path / "scores.npz", phi=phi, member=np.eye(4, 9) > 0, label=np.zeros(9, int))
    before = (tmp_path / "scores.npz").read_bytes()
    refusal = one_sentence(run("score", "scores.npz", "--out", ".", folder=tmp_path, expect=2))
    assert "would overwrite scores.npz: choose another" in refusal
    assert (tmp_path / "scores.npz").read_bytes() == before


def test_report_scores_a_run_again(tmp_path):
    run("membership", *SMALL, "--out", "run", folder=tmp_path)
    done = run("report", "run", "--attacks", "gap", "--out", "again", "--json", folder=tmp_path)
    assert [attack["name"] for attack in json.loads(done.stdout)["attacks"]] == ["gap"]
    assert (tmp_path / "again/report.html").exists()


def test_data_lists_describes_and_writes(tmp_path):
    assert "digits" in run("data", folder=tmp_path).stdout
    run("data", "wine", "--out", "wine.npz", folder=tmp_path)
    assert json.loads(run("data", "wine.npz", "--json", folder=tmp_path).stdout)["records"] == 178


def test_quiet_says_nothing(tmp_path):
    done = run("membership", *SMALL, "--quiet", "--out", "run", folder=tmp_path)
    assert done.stdout == done.stderr == ""


def test_help_teaches(tmp_path):
    text = run("membership", "--help", folder=tmp_path).stdout
    for word in ("--models", "--queries", "--epochs", "--attacks", "halves", "tfds:"):
        assert word in text


def test_a_full_disk_is_one_sentence_and_keeps_what_was_finished(tmp_path):
    # A limit on the size of files makes real writes fail in the middle, as a full disk does.
    command = shlex.join([sys.executable, "-m", "jaxattack", "membership", *SMALL, "--out", "run"])
    limited = ["bash", "-c", f"ulimit -f 4; exec {command}"]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "chunk-" in done.stderr
    assert "make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "run").glob("chunk-*"))
    assert not list((tmp_path / "run").glob(".*partial"))
    run("membership", *SMALL, "--out", "run", folder=tmp_path)


def npz(folder, **arrays):
    np.savez(folder / "records.npz", **arrays)
    return ("membership", "--data", "records.npz")


def bad_npz(change):
    def make(folder):
        arrays = {"x": np.random.default_rng(0).random((20, 3), np.float32), "y": np.arange(20) % 2}
        return npz(folder, **change(arrays))

    return make


BAD = {
    "unknown data": (lambda _: ("membership", "--data", "digit"), "digits"),
    "unknown model": (lambda _: ("membership", "--model", "transformer"), "mlp:"),
    "unknown attack": (lambda _: ("membership", "--attacks", "liar"), "lira-online"),
    "unknown design": (lambda _: ("membership", "--design", "thirds"), "halves"),
    "three models": (lambda _: ("membership", "--models", "3"), "at least 4"),
    "unknown learner": (lambda _: ("train", "--learner", "relaxlos"), "relaxloss"),
    "clipping of batch norm": (lambda _: ("membership", "--model", "resnet:8", "--learner", "dp-sgd"), "batch norm"),
    "zero epochs": (lambda _: ("membership", "--epochs", "0"), "epochs"),
    "too many records": (lambda _: ("membership", "--records", "5000"), "1797"),
    "more members than records": (lambda _: ("membership", "--design", "sized:5000"), "1797"),
    "more members than records in train": (lambda _: ("train", "--members", "5000"), "1797"),
    "nobody left out": (lambda _: ("membership", "--data", "iris", "--design", "sized:150"), "leave some out"),
    "queries of a table": (lambda _: ("membership", "--data", "iris", "--queries", "18"), "images"),
    "an odd number of queries": (lambda _: ("membership", "--queries", "7"), "18"),
    "no labels": (bad_npz(lambda a: {"x": a["x"]}), "y"),
    "NaN": (bad_npz(lambda a: a | {"x": a["x"] * np.nan}), "NaN"),
    "labels outside": (bad_npz(lambda a: a | {"classes": np.array(1)}), "outside"),
    "unequal lengths": (bad_npz(lambda a: a | {"y": a["y"][:7]}), "7"),
    "one class": (bad_npz(lambda a: a | {"y": a["y"] * 0}), "class"),
    "a factory that raises": (lambda _: ("membership", "--model", "json:loads"), "json:loads"),
    "a factory that is not there": (lambda _: ("membership", "--model", "json:nothing"), "json:nothing"),
    "no such run": (lambda _: ("report", "nowhere"), "nowhere"),
    "no such file": (lambda _: ("score", "nothing.npz"), "nothing.npz"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_with_the_remedy(case, tmp_path):
    make, word = BAD[case]
    arguments = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    message = one_sentence(run(*arguments, folder=tmp_path, expect=2))
    assert word in message
    assert sorted(tmp_path.rglob("*")) == before, "something was half written"


@pytest.mark.parametrize("command", ["membership", "train"])
def test_a_training_that_diverges_is_refused_before_anything_is_kept_of_it(command, tmp_path):
    wild = ("--data", "iris", "--model", "mlp:16", "--batch", "8", "--optimizer", "sgd", "--learning-rate", "1e20")
    more = ("--models", "4") if command == "membership" else ()
    message = run(command, *wild, *more, "--out", "run", folder=tmp_path, expect=2).stderr.splitlines()[-1]
    assert message.startswith("jaxattack: training diverged: model 0 ")
    assert message.endswith("lower learning_rate, or add warmup.")
    assert not [*(tmp_path / "run").glob("chunk-*"), *(tmp_path / "run").glob("*weights*")]


def test_a_folder_of_another_run_is_refused_with_the_difference(tmp_path):
    run("membership", *SMALL, "--out", "run", folder=tmp_path)
    done = run("membership", *SMALL, "--batch", "8", "--out", "run", folder=tmp_path, expect=2)
    assert "recipe.batch is 64 there and 8 here" in one_sentence(done)


def test_a_truncated_chunk_is_refused_and_named(tmp_path):
    run("membership", *SMALL, "--out", "run", folder=tmp_path)
    chunk = sorted((tmp_path / "run").glob("chunk-*"))[0]
    chunk.write_bytes(chunk.read_bytes()[:-100])
    message = one_sentence(run("membership", *SMALL, "--out", "run", folder=tmp_path, expect=2))
    assert chunk.name in message
    chunk.unlink()
    run("membership", *SMALL, "--out", "run", folder=tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    (tmp_path / "run").mkdir(mode=0o500)
    assert "run" in one_sentence(run("membership", *SMALL, "--out", "run", folder=tmp_path, expect=2))


def test_a_record_that_is_always_in_is_left_out_and_named(tmp_path):
    half = np.random.default_rng(0).random(150) < 0.5
    mask = np.stack([half, ~half] * 4)
    mask[:, [3, 70]] = True
    np.save(tmp_path / "mask.npy", mask)
    arguments = ("membership", *SMALL, "--design", "mask:mask.npy", "--attacks", "lira-online", "--out", "run")
    done = run(*arguments, folder=tmp_path)
    for text in (done.stderr, done.stdout):  # before anything is trained, and beside the figures
        assert "2 of 150 records (3, 70)" in text


def test_labels_in_words_are_the_names_of_classes(tmp_path):
    x, y = datasets.load_iris(return_X_y=True)
    np.savez(tmp_path / "flowers.npz", x=x, y=np.array(["setosa", "versicolor", "virginica"])[y])
    arguments = ("--data", "flowers.npz", "--model", "softmax", "--models", 4, "--epochs", 2, "--out", "run")
    for command in (("membership", *arguments), ("report", "run")):
        found = json.loads(run(*command, "--attacks", "loss", "--json", folder=tmp_path).stdout)
        assert {entry["label"] for entry in found["vulnerable"]["records"]} <= {"setosa", "versicolor", "virginica"}
