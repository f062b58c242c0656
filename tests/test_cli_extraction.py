"""The commands `extract` and `serve`, as a user runs them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from command import run
from report.readable import check_report

from jaxattack.audit.encryption import NOTE


@pytest.fixture(autouse=True)
def _as_a_user_has_it(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)


def _extract(*arguments, folder, expect=0):
    return run("extract", *arguments, folder=folder, expect=expect)


def test_without_options_a_softmax_is_stolen_over_http_and_a_second_call_pays_nothing(tmp_path):
    first = _extract("--out", "stolen", "--json", "--compare", "500", folder=tmp_path)
    found = json.loads(first.stdout)
    assert found["fidelity"]["uniform"]["agreement"] == found["fidelity"]["held_out"]["agreement"] == 1
    assert found["parameters"]["max"] < 1e-6
    assert found["cost"]["attack"] <= 325
    assert found["attack"]["complete"], found["attack"]["reason"]
    assert "over HTTP" in found["victim"]["transport"]
    assert (tmp_path / "stolen" / "report.html").exists()
    check_report(tmp_path / "stolen")
    again = json.loads(_extract("--out", "stolen", "--json", "--compare", "500", folder=tmp_path).stdout)
    assert again["cost"]["kept"] == again["cost"]["queries"] == found["cost"]["queries"]


def test_a_served_tree_is_stolen_from_another_process(tmp_path):
    command = [sys.executable, "-m", "jaxattack", "serve", "tree", "--data", "iris", "--port", "0"]
    server = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        line = next(line for line in server.stderr if "Serving" in line)
        url = re.search(r"http://\S+?(?=;)", line)
        assert url is not None
        done = _extract(url[0], "--method", "path-finding", "--json", "--out", "stolen", folder=tmp_path)
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert server.returncode == 0
    found = json.loads(done.stdout)
    assert found["fidelity"]["uniform"]["agreement"] == 1
    assert "<=" in (tmp_path / "stolen" / "tree.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nonesuch",), "nonesuch"),
        (("tree", "--data", "iris", "--method", "softmacs"), "did you mean 'softmax'"),
        (("tree", "--data", "iris", "--level", "label", "--in-process"), "cannot work with label answers"),
        (("softmax", "--budget", "5", "--in-process"), "needs at least 65 queries"),
        (("http://127.0.0.1:9",), "does not answer"),
        (("http://127.0.0.1:9", "--in-process"), "is asked over HTTP: leave in-process out"),
        (("tree", "--defend", "rond:2"), "did you mean 'round'"),
        (("softmax", "--encrypted", "--decimals", "2"), "does not change answers that it cannot read"),
        (("softmax", "--watch", "prda"), "did you mean 'prada'"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, tmp_path):
    done = _extract(*arguments, folder=tmp_path, expect=2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(find_spec("tenseal") is None, reason="tenseal, of the extra encrypted, is not installed")
def test_a_model_is_stolen_through_ciphertexts_and_the_page_says_what_they_hide(tmp_path):
    done = _extract(
        "logistic", "--data", "iris", "--encrypted", "--trials", "0", "--compare", "50", "--json", "--out", "o",
        folder=tmp_path,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["parameters"]["max"] < 1e-3
    assert found["cost"]["bytes"] > 10**6
    assert "under encryption" in found["victim"]["transport"]
    assert NOTE in (tmp_path / "o" / "report.html").read_text()


def test_the_help_lists_victims_and_methods(tmp_path):
    text = _extract("--help", folder=tmp_path).stdout
    for word in ("partial-tree", "FILE.skops", "lm-head", "lowd-meek", "--decimals", "--budget"):
        assert word in text


def test_what_was_decided_of_a_file_is_said_and_reported(tmp_path):
    onnx = pytest.importorskip("onnx")
    made = onnx.helper.make_graph(
        [
            onnx.helper.make_node("MatMul", ["x", "w"], ["z"]),
            onnx.helper.make_node("Sigmoid", ["z"], ["p"]),
        ],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ("batch", 4))],
        [onnx.helper.make_tensor_value_info("p", onnx.TensorProto.FLOAT, ("batch", 1))],
        [onnx.numpy_helper.from_array(np.array([[1], [-2], [3], [0.5]], np.float32), "w")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(made, opset_imports=opset, ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    done = run("extract", "m.onnx", "--method", "softmax", "--in-process", "--out", "o", "--json", folder=tmp_path)
    found = json.loads(done.stdout)
    assert found["victim"]["classes"] == 2
    assert found["fidelity"]["uniform"]["agreement"] > 0.99
    note = "m.onnx: the output p ends in Sigmoid and is read as the probability of the second of two classes."
    assert note in done.stderr
    assert found["notes"] == [note]
    assert note in (tmp_path / "o" / "report.html").read_text()
