"""Who stops a command is told what is kept of it: where it goes on, or that it begins anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxattack.cli import application
from jaxattack.cli.output import Printing, progress, resumable


def test_what_is_kept_is_told_once(capsys):
    with pytest.raises(KeyboardInterrupt), progress(Printing()), resumable(Path("run")):
        raise KeyboardInterrupt
    assert (
        capsys.readouterr().err == "Stopped. What was finished is kept in run: the same command goes on from there.\n"
    )


def test_that_nothing_is_kept_is_told(capsys):
    with pytest.raises(KeyboardInterrupt), progress(Printing(quiet=True)):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "Stopped. Nothing is kept: the same command begins anew.\n"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["generator", "--data", "iris"], "jaxattack.cli.generator.audit_generators"),
        (["epsilon", "--data", "iris", "--kind", "dirac"], "jaxattack.cli.epsilon.audit_gradients"),
        (["invert", "--data", "iris"], "jaxattack.cli.inversion.open_victim"),
        (["train", "--data", "iris"], "jaxattack.cli.train.train_victim"),
    ],
)
def test_a_command_that_keeps_nothing_says_so(words, place, monkeypatch, tmp_path, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(place, stop)
    with pytest.raises(KeyboardInterrupt):
        application()(words)
    assert capsys.readouterr().err.endswith("Stopped. Nothing is kept: the same command begins anew.\n")
    assert not list(tmp_path.iterdir())


def test_without_a_bar_nothing_is_printed_and_with_one_it_is(capsys):
    with progress(Printing()):
        pass
    assert capsys.readouterr().err == ""
    with progress(Printing()) as show:
        show("models", 0, 4)
        show("models", 4, 4)
    assert "models" in capsys.readouterr().err
