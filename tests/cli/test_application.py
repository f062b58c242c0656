"""The list of commands: what it costs to read it, and that it says what the commands say."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from command import free_port, run

from jaxattack.cli import COMMANDS, application
from jaxattack.cli.summary import summary
from jaxattack.store import RunFolder

WITHOUT_JAX = """
import sys
from jaxattack.cli import main

sys.argv[1:] = {words!r}
try:
    main()
finally:
    assert not {{"jax", "numpy", "sklearn"}} & {{*sys.modules}}
"""


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--version"], 0, "0.1.0"),
        (["--help"], 0, "Who was in the training set?"),
        ([], 0, "Who was in the training set?"),
        (["membershp"], 2, 'Did you mean "membership"?'),
        (["--verson"], 2, 'Unknown command "--verson"'),
    ],
)
def test_what_names_no_command_imports_no_jax(words, status, said):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_JAX.format(words=words)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr


WITHOUT_DRAWING = """
import sys
from jaxattack.cli import main

sys.argv[1:] = {words!r}
try:
    main()
finally:
    assert not {{"jax", "scipy", "matplotlib", "sklearn"}} & {{*sys.modules}}
"""


@pytest.mark.parametrize("words", [["runs"], ["runs", "there", "--json"]])
def test_a_list_of_reports_imports_nothing_that_computes_or_draws(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    findings = {
        "format": 1,
        "kind": "evasion",
        "title": "T",
        "victim": {"name": "v"},
        "records": [1],
        "cost": {"queries": 1},
    }
    unfinished = RunFolder.open(tmp_path / "there" / "unfinished", {"signals": ["phi"]}, np.zeros(6, int))
    unfinished.write(np.arange(3), np.ones((3, 6), bool), {"phi": np.zeros((3, 6, 1), np.float32)})
    findings |= {"attack": {"complete": True}, "success": {"among_right": 0.5}}
    for place in ("jaxattack-runs/one", "there/one"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "report.json").write_text(json.dumps(findings))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DRAWING.format(words=words)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "evasion" in done.stdout
    assert "success" in done.stdout
    assert ("3 models, no report" in done.stdout) == ("there" in words)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_is_the_first_line_of_the_command(name):
    module, _, function = COMMANDS[name].partition(":")
    command = getattr(import_module(module), function)
    assert summary(COMMANDS[name]) == inspect.getdoc(command).partition("\n")[0]
    assert application()[name].default_command is command


BROKEN = """
def network(shape, classes):
    return layers_of(shape)


def layers_of(shape):
    raise KeyError("no layer")
"""


@pytest.mark.parametrize("before", [True, False])
def test_the_code_that_led_to_a_sentence_is_shown_where_it_is_asked_for_and_no_secret_of_it(tmp_path, before):
    (tmp_path / "nets.py").write_text(BROKEN)
    words = ["membership", "--data", "iris", "--model", "nets:network"]
    plain = run(*words, folder=tmp_path, expect=2).stderr
    assert "Traceback" not in plain
    shown = run(*(["--debug", *words] if before else [*words, "--debug"]), folder=tmp_path, expect=2).stderr
    assert "in layers_of" in shown
    assert "KeyError: 'no layer'" in shown
    assert shown.endswith(plain)


def test_a_traceback_has_no_secret_of_the_command(tmp_path):
    words = ["extract", f"http://somebody:secret@localhost:{free_port()}/", "--key", "hidden-word"]
    shown = run("--debug", *words, folder=tmp_path, expect=2).stderr
    assert "Traceback" in shown
    assert "secret" not in shown
    assert "hidden-word" not in shown
