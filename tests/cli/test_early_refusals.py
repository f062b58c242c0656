"""What cannot be right is refused before anything is trained, by the name of the option that was typed."""

from __future__ import annotations

import numpy as np
import pytest
from command import run

from jaxattack.cli import application, check_options
from jaxattack.error import InputError


@pytest.fixture
def _untrained(monkeypatch, tmp_path):
    """Nothing is opened or trained."""
    monkeypatch.chdir(tmp_path)
    for module in ("extraction", "evasion", "inversion", "reconstruction", "architecture"):
        monkeypatch.setattr(f"jaxattack.cli.{module}.open_victim", None)


@pytest.mark.usefixtures("_untrained")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("extract", "--budget", "0"), "budget is 0: give at least 1"),
        (("extract", "--compare", "0"), "compare is 0: give at least 1"),
        (("extract", "--trials", "-1"), "trials is -1: give at least 0"),
        (("extract", "--top", "-1"), "top is -1: give at least 0"),
        (("extract", "--noise", "-1"), r"noise is -1.0: give a standard deviation of at least 0"),
        (("evade", "--noise", "nan"), "noise is nan: give"),
        (("evade", "--rate", "0"), "rate is 0.0: give a number above 0"),
        (("invert", "--decimals", "99"), "decimals is 99: give 0 to 17"),
        (("invert", "--temperature", "0"), "temperature is 0.0: give a number above 0"),
        (("serve", "--port", "99999"), "port is 99999: give 1 to 65535, or 0 for a free one"),
        (("reconstruct", "--targets", "0"), "targets is 0: give at least 1"),
        (("reconstruct", "--budget", "0"), "budget is 0: give at least 1"),
    ],
)
def test_a_value_out_of_range_is_told_by_its_option(words, message):
    with pytest.raises(InputError, match=message):
        application()([*words])


@pytest.mark.usefixtures("_untrained")
@pytest.mark.parametrize("command", ["extract", "evade", "invert", "reconstruct", "architecture", "serve"])
@pytest.mark.parametrize(
    ("victim", "message"),
    [
        ("model.pkl", r"victim is 'model.pkl', which is none: .* pickles are never read"),
        ("softmx", r"victim is 'softmx' \(did you mean 'softmax'\?\), which is none"),
        ("127.0.0.1:9", r"victim is '127.0.0.1:9', which is none: .* an address as http://"),
    ],
)
def test_a_name_of_no_victim_is_told_with_what_may_be_one(command, victim, message):
    with pytest.raises(InputError, match=message):
        application()([command, victim])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("membership", "--model", "softmax", "--dropout", "0.1"), "dropout is 0.1 and softmax has no place for it"),
        (("membership", "--model", "softmax", "--activation", "tanh"), "activation is tanh and softmax has no place"),
        (("train", "--model", "lenet:4", "--activation", "tanh"), "activation is tanh and lenet:4 has no place"),
        (("poison", "--model", "resnet9:4", "--dropout", "0.1"), "dropout is 0.1 and resnet9:4 has no place"),
        (("matrix", "--model", "softmax", "--defend", "dropout:0.5"), "dropout is 0.5 and softmax has no place"),
        (
            ("poison", "--method", "flip-random", "--targets", "9"),
            "targets is 9 and no attack of flip-random is after single",
        ),
        (("poison", "--sanitise", "spere"), r"sanitise is 'spere' \(did you mean 'sphere'\?\): choose from"),
        (("membership", "--poison", "0"), "poison is 0, which poisons nothing"),
        (("membership", "--poison", "0", "0"), "poison is 0, which poisons nothing"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        application()([*words, "--data", "digits"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["membership", "iris"], "iris"),
        (["membership", "--data", "iris", "wine"], "wine"),
        (["membership", "--quiet", "yes"], "yes"),
        (["score", "a.npz", "b.npz", "c.npz"], "b.npz c.npz"),
    ],
)
def test_a_word_that_belongs_to_no_option_is_told_in_a_sentence(words, left):
    with pytest.raises(
        InputError, match=f"^'{left}' belongs to no option: name its option before it, or leave it out.$"
    ):
        check_options(words)


def test_choices_of_two_lists_are_told_as_one(capsys):
    with pytest.raises(SystemExit) as end:
        check_options(["epsilon", "--kind", "dirak"])
    assert end.value.code != 0
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert 'Choose from: "natural", "mislabelled", "blank", "clipbkd", "dirac", "random"' in said
    assert 'Did you mean "dirac"?' in said


@pytest.mark.parametrize("command", ["score", "epsilon", "generator"])
def test_a_file_in_the_place_of_a_folder_is_refused_before_anything_is_done(command, tmp_path):
    np.savez(tmp_path / "in.npz", x=np.zeros(3))
    (tmp_path / "notes.txt").write_text("mine")
    done = run(command, "in.npz", "--out", "notes.txt", folder=tmp_path, expect=2)
    assert done.stderr.splitlines()[-1] == "jaxattack: out is notes.txt, which is a file: give a folder."
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_with_a_report_of_another_kind_is_refused_and_the_same_kind_is_told(tmp_path):
    random = np.random.default_rng(0)
    member = np.stack([half := random.random(60) < 0.5, ~half] * 4)
    np.savez(tmp_path / "a.npz", phi=random.normal(size=member.shape) + member, member=member, label=np.arange(60) % 2)
    words = ("score", "a.npz", "--attacks", "loss", "--out", "r")
    said = [run(*words, folder=tmp_path).stderr for _ in range(2)]
    assert "in the place of the report" not in said[0]
    assert "files to r, in the place of the report that was there; open r/report.html" in said[1]
    done = run(*words, "--target", "0", folder=tmp_path, expect=2)
    assert (
        done.stderr
        == "jaxattack: out is r, which holds a report on membership, and this one is on target: give another folder.\n"
    )


def test_one_target_and_all_models_of_a_file_have_reports_of_their_own(tmp_path):
    random = np.random.default_rng(0)
    member = np.stack([half := random.random(60) < 0.5, ~half] * 4)
    np.savez(tmp_path / "a.npz", phi=random.normal(size=member.shape) + member, member=member, label=np.arange(60) % 2)
    for target in (("--target", "0"), ("--target", "1"), ()):
        run("score", "a.npz", "--attacks", "loss", *target, folder=tmp_path)
    assert {path.name for path in tmp_path.glob("*.report")} == {"a.report", "a.target-0.report", "a.target-1.report"}
