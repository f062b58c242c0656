"""Options from a file: the round trip of every command, what wins, and files that are wrong or hostile."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxattack.cli import COMMANDS, application
from jaxattack.cli.configuration import LARGEST, Configuration, write_configuration
from jaxattack.error import InputError

APP = application()
TYPED = {
    "membership": "--data iris --models 8 --poison 1,4 --attacks rmia-offline?a=tuned loss --learning-rate 1e-7 --flip --part 1/3",
    "matrix": "--defend round:1 hamp+round:2 --extractions none --targets 3 --out somewhere",
    "extract": "tree --data iris --in-process --defend round:2,temperature:5 --budget 7 --key-file secret.txt",
    "invert": "mlp:10 --targets 1 7 --method mi-face?restarts=16 --users 3",
    "evade": "FOLDER --method bim?size=0.05&steps=40 --level label --price 0.5",
    "poison": "--method badnets?size=3 flip-random --shares 0.01 0.1 --classes 1 7 --frozen --sanitise slab --epochs 3",
    "reconstruct": "mlp:8 --secret 2 --secret 3 --property classes?classes=0-1-2 --update-rate 0.3 --precision bfloat16",
    "epsilon": "scores.npz --upper 4.4 --declare gaussian --losses-independent",
    "serve": "softmax --port 0 --records 12 --decimals 3 --keys keys.json",
    "train": "--model cnn:4-8 --learner relaxloss?alpha=0.5 --members 50",
    "score": "observations.npz --attacks loss --protocol leave-one-out --json",
    "report": "run --declare loss --out elsewhere --quiet",
    "runs": "elsewhere --json",
    "compare": "plain defended other --names none, some all --declare loss --figure roc --format svg",
    "data": "digits --out here.npz",
    "attacks": "evasion inversion --json",
}
"""A command line a command, of options of every type."""


def parsed(command, *words):
    """What a command would be called with; its defaults too."""
    _, bound, _ = APP.parse_args([command, *words], exit_on_error=False, print_error=False)
    bound.apply_defaults()
    return bound.arguments


def configuration(arguments) -> Configuration:
    """The options that a command was given, however it takes them."""
    return arguments["config"] if "config" in arguments else arguments["output"].config


@pytest.mark.parametrize("command", TYPED)
def test_a_command_reads_back_the_options_that_it_wrote(command, tmp_path):
    first = parsed(command, *TYPED[command].split())
    path = write_configuration(tmp_path, configuration(first))
    assert parsed(command, "--config", str(path)) == first
    assert len(configuration(first).options) > 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_a_file(command):
    assert "--config" in {argument.name for argument in APP[command].assemble_argument_collection()}


def written(folder: Path, text: str | bytes) -> str:
    path = folder / "audit.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_what_is_typed_wins_over_the_file_and_a_table_over_the_top(tmp_path):
    path = written(
        tmp_path, "seed = 7\nmodels = 8\nlearning_rate = 1\n[membership]\nmodels = 16\nattacks = 'loss,gap'\n"
    )
    arguments = parsed("membership", "--config", path, "--attacks", "lira-online")
    attacking = arguments["attacking"]
    assert (attacking.seed, attacking.models, attacking.attacks) == (7, 16, ("lira-online",))
    assert arguments["recipe"].learning_rate == 1.0


def test_tables_of_other_commands_stay_where_a_command_writes_its_own(tmp_path):
    write_configuration(tmp_path, Configuration(command="membership", options={"models": 8}))
    path = write_configuration(tmp_path, Configuration(command="report", options={"run": "here"}))
    assert parsed("membership", "--config", str(path))["attacking"].models == 8
    assert parsed("report", "--config", str(path))["run"] == Path("here")


@pytest.mark.parametrize(
    "text", [b"[report]\nx = 0x" + b"f" * 9_000, b"\0", b"[report]\nx = " + b"[" * 900 + b"]" * 900]
)
def test_a_hostile_file_there_is_replaced(text, tmp_path):
    (tmp_path / "config.toml").write_bytes(text)
    path = write_configuration(tmp_path, Configuration(command="membership", options={"models": 8}))
    assert parsed("membership", "--config", str(path))["attacking"].models == 8


def test_text_of_any_kind_is_kept(tmp_path):
    odd = 'q"\\\n\t\x1b[31m é 漢 \x7f'
    path = write_configuration(tmp_path, Configuration(command="train", options={"data": odd}))
    assert parsed("train", "--config", str(path))["subject"].data == odd


@pytest.mark.parametrize(
    ("words", "secret"),
    [(["--key", "hunter22"], "key"), (["http://me:hunter22@host/x"], "victim"), (["http://h/?t=hunter22"], "victim")],
)
def test_no_secret_is_written_or_read(words, secret, tmp_path):
    options = configuration(parsed("extract", *words))
    assert options.secrets == (secret,)
    assert "hunter22" not in write_configuration(tmp_path, options).read_text()
    with pytest.raises(InputError, match=f"holds a secret, {secret}") as refusal:
        parsed("extract", "--config", written(tmp_path, f'{secret} = "{words[-1]}"'))
    assert "hunter22" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modells = 4", "has 'modells', and membership has no such option: write models"),
        ("config = 'other.toml'", "no such option"),
        ("models = 4.5", "models is 4.5: give a whole number"),
        ("models = 'many'", "models is 'many': give a whole number"),
        ("models = true", "models is true: give a whole number"),
        ("models = [4]", "models is a list: give one value, a whole number"),
        ("flip = 'yes'", "flip is 'yes': give true or false"),
        ("flip = 1", "flip is 1: give true or false"),
        ("learning-rate = 'fast'", "learning-rate is 'fast': give a number"),
        ("data = 1979-05-27", "data is datetime.date"),
        ("attacks = [['loss']]", "attacks is a list: give text"),
        ("poison = [1.5]", "poison is 1.5: give a whole number"),
        ("models = {a = 4}", "has a table 'models', and there is no such command"),
        ("[membreship]\nmodels = 4", "has a table 'membreship', and there is no such command"),
        ("[extract]\ntrials = 4", "has options of extract, and the command is membership"),
        ("models = 4\n[extract]\ntrials = 4", "has options of extract, and the command is membership"),
        ("learning_rate = 1\nlearning-rate = 2", "an option twice"),
        ("models = 4\nmodels = 5", "cannot be read"),
        ("models 4", "cannot be read"),
        ("models = 4".encode("utf-16"), "no text in UTF-8"),
        (b'data = "dig\0its"', "cannot be read"),
        (bytes(range(256)), "no text in UTF-8"),
        (b"#" * (LARGEST + 1), "more than 262,144 bytes"),
        (b"a = " + b"[" * 50_000, "nested too deeply"),
        (b"a" + b".a" * 100_000 + b" = 1", "more than 100 dots"),
        (b"models = " + b"9" * 5_000, "too long"),
        (b"models = 0x" + b"f" * 200_000, "models is a number of 800,000 bits"),
    ],
)
def test_a_file_that_is_wrong_is_one_sentence(text, said, tmp_path):
    with pytest.raises(InputError) as refusal:
        parsed("membership", "--config", written(tmp_path, text))
    assert said in str(refusal.value)
    assert "audit.toml" in str(refusal.value)


@pytest.mark.parametrize("path", ["absent.toml", "/dev/zero", "."])
def test_what_is_no_file_is_one_sentence(path):
    with pytest.raises(InputError, match="cannot be read"):
        parsed("membership", "--config", path)


def test_a_choice_of_the_file_is_named_as_such(tmp_path):
    path = written(tmp_path, "optimizer = 'adamm'")
    with pytest.raises(Exception, match=r'Invalid value "adamm" for optimizer from .*audit.toml. Choose from: "adam"'):
        parsed("train", "--config", path)


def test_a_run_folder_has_the_options_that_repeat_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = "--records 40 --model softmax --epochs 1 --quiet"
    APP(["train", *train.split(), "--out", "first"])
    APP(["train", "--config", "first/config.toml", "--out", "second"])
    first, second = (tmp_path / name for name in ("first", "second"))
    same = {path.name for path in first.iterdir()} - {"config.toml"}
    assert same
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in same)
    assert (second / "config.toml").read_text().replace('"second"', '"first"') == (first / "config.toml").read_text()
