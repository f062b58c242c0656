"""What README shows runs: its Python, its command lines, and its example for other frameworks; and what it names is there."""

import contextlib
import re
import shlex
import types
from pathlib import Path

import numpy as np
import pytest

from jaxattack import read_observations, score
from jaxattack.attacks.membership import lookup
from jaxattack.cli import application

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_file_that_it_points_to_is_there():
    files = [target for target in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in target]
    assert len(files) > 15
    for file in files:
        assert (ROOT / file).is_file(), file


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def commands():
    text = "\n".join(blocks("bash")).replace("\\\n", " ")
    lines = [line.split(" && ")[-1].split("#")[0].strip() for line in text.splitlines()]
    return [
        line.removeprefix(".venv/bin/") for line in lines if "jaxattack " in line and "pip" not in line.split("&&")[-1]
    ]


@pytest.mark.parametrize("line", commands())
def test_every_command_line_is_understood(line):
    program, *tokens = shlex.split(line)
    assert program == "jaxattack"
    command, *_ = application().parse_args(tokens, exit_on_error=False, print_error=False)
    assert command.__name__ == tokens[0]


def test_the_python_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (membership,) = [block for block in blocks("python") if "import jaxattack" in block]
    exec(compile(membership, "README.md", "exec"), {})
    attack, area = capsys.readouterr().out.splitlines()
    assert attack.startswith("lira-online 0.")
    assert 0.5 < float(area) < 1


def test_the_torch_example_runs_in_numpy_form_and_its_file_is_scored(tmp_path, monkeypatch):
    (example,) = [block for block in blocks("python") if "import torch" in block]
    assert len(example.strip().splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    label = random.integers(0, 3, 90)
    half = random.random(90) < 0.5
    member = np.stack([half, ~half] * 4)

    def tensor(values):
        return types.SimpleNamespace(numpy=lambda: values)

    def model(row):
        logits = random.standard_normal((90, 3)).astype(np.float32)
        logits[np.arange(90), label] += 3 * row
        return lambda _: tensor(logits)

    torch = types.SimpleNamespace(no_grad=contextlib.nullcontext)
    given = {"torch": torch, "x": None, "y": tensor(label), "member": member, "models": [model(row) for row in member]}
    exec(compile(example.replace("import torch\n", ""), "README.md", "exec"), given)
    found = score(read_observations(Path("observations.npz")), (lookup("lira-online"), lookup("loss")))
    assert min(attack.auc for attack in found.attacks) > 0.8
