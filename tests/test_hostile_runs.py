"""Run folders and reports whose files promise more than they hold."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hostile import TEXTS, archives, descriptions, npy, refused

from jaxattack import report
from jaxattack.attacks.membership import lookup
from jaxattack.audit import (
    rescore,
)
from jaxattack.disk import read_arrays
from jaxattack.store import RunFolder

MEMBER = np.arange(24).reshape(4, 6) % 2 == 0
LABEL = np.array([0, 1, 0, 1, 0, 1])


@pytest.fixture
def run(tmp_path):
    """A run folder of four models."""
    folder = tmp_path / "run"
    identity = {
        "data": {"name": "synthetic:gaussian", "records": 6, "sha256": "00"},
        "victim": {"model": "softmax"},
        "recipe": {"flip": False, "crop": 0},
        "queries": 1,
        "seed": 0,
        "signals": ["phi"],
    }
    opened = RunFolder.open(folder, identity, LABEL)
    phi = np.random.default_rng(0).normal(size=(4, 6, 1)).astype(np.float32)
    opened.write(np.arange(4), MEMBER, {"phi": phi})
    return folder


@pytest.mark.parametrize("name", ["chunk-000000-000003.npz", "label.npy"])
def test_the_arrays_of_a_run(run, name):
    cases = (
        archives("phi")
        if name.endswith("npz")
        else {"large": npy("(1000000000000,)"), "matrix": npy("(1, 1)", data=bytes(8))}
    )
    for case, data in cases.items():
        (run / name).write_bytes(data)
        refused(case, lambda: rescore(run, (lookup("loss"),)))


CHUNKS = {
    "a negative model": {"models": np.array([-1, 1, 2, 3])},
    "a model twice": {"models": np.array([0, 0, 2, 3])},
    "a model of 10^15": {"models": np.array([0, 1, 2, 10**15])},
    "models of floats": {"models": np.arange(4.0)},
    "models of text": {"models": np.array(["0", "1", "2", "3"])},
    "a matrix of models": {"models": np.arange(4).reshape(2, 2)},
    "no models": {"models": np.arange(0)},
    "members of too few records": {"member": np.zeros((4, 0), np.uint8)},
    "members of floats": {"member": np.zeros((4, 1))},
    "a signal of too few records": {"phi": np.zeros((4, 5, 1), np.float32)},
    "a flat signal": {"phi": np.zeros((4, 6), np.float32)},
    "a signal of text": {"phi": np.full((4, 6, 1), "x")},
}


@pytest.mark.parametrize("case", CHUNKS)
def test_a_chunk_of_other_arrays(run, case):
    good = read_arrays(run / "chunk-000000-000003.npz")
    np.savez(run / "chunk-000000-000003.npz", **good | CHUNKS[case])
    refused(case, lambda: rescore(run, (lookup("loss"),)))


def test_chunks_that_do_not_fit_together(run):
    good = read_arrays(run / "chunk-000000-000003.npz")
    models = np.arange(4, 8)
    np.savez(run / "chunk-000004-000007.npz", **good | {"models": models, "phi": np.zeros((4, 6, 2), np.float32)})
    assert "in other chunks" in refused("queries", lambda: rescore(run, (lookup("loss"),)))


def test_the_description_of_a_run(run):
    good = json.loads((run / "run.json").read_text())
    for name, data in descriptions(good).items():
        (run / "run.json").write_bytes(data)
        refused(name, lambda: rescore(run, (lookup("loss"),)))


def test_the_cost_of_a_chunk(run):
    for name, data in TEXTS.items():
        (run / "cost-000000-000003.json").write_bytes(data)
        refused(name, lambda: rescore(run, (lookup("loss"),)))


def test_a_run_names_no_folder_of_prepared_sets(run):
    good = json.loads((run / "run.json").read_text())
    good["data"]["name"] = f"tfds:planted?data_dir={run}"
    (run / "run.json").write_text(json.dumps(good))
    before = set(sys.modules)
    assert rescore(run, (lookup("loss"),)).pictures == {}  # the models are scored, without pictures of the records
    assert "tensorflow_datasets" not in set(sys.modules) - before


def test_a_report(tmp_path):
    for name, data in TEXTS.items():
        (tmp_path / "report.json").write_bytes(data)
        refused(name, lambda: report.read(tmp_path))


COMMANDS = """
import resource, sys

resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
from jaxattack.cli import main

for command in {commands!r}:
    sys.argv[1:] = command
    try:
        main()
    except SystemExit as ended:
        print("ended with", ended.code, flush=True)
"""


def test_the_commands_end_with_a_sentence_and_status_2(tmp_path, run):
    (tmp_path / "large.npz").write_bytes(archives("x")["a header of 10^12 numbers"])
    (tmp_path / "bomb.npz").write_bytes(archives("x")["a member said to unpack to 4 GiB"])
    (run / "run.json").write_bytes(b"[" * 100_000)
    (tmp_path / "keys.json").write_bytes(b"[" * 100_000)
    commands = [
        ["score", "large.npz"],
        ["score", "bomb.npz"],
        ["membership", "--data", "large.npz"],
        ["data", "bomb.npz"],
        ["report", "run"],
        ["extract", "run"],
        ["serve", "--keys", "keys.json"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS.format(commands=commands)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.split("\n") == ["ended with 2"] * len(commands) + [""], done.stderr
    said = [line for line in done.stderr.splitlines() if line.strip()]
    assert all(line.startswith("jaxattack: ") for line in said), done.stderr
    assert len(said) == len(commands)
