"""What stands in for a command while its words are checked: it has the command's options, and needs no JAX."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal, get_args, get_origin

import pytest
from cyclopts import App

from jaxattack.cli import COMMANDS, application
from jaxattack.cli.signature import stand_in

MISTAKES = """
import sys
from jaxattack.cli import COMMANDS, check_options
from jaxattack.error import InputError

for command in COMMANDS:
    for mistake in (["--no-such-option", "x"], ["--out"] if command not in {"serve", "runs", "attacks"} else ["--json="]):
        print(command, mistake[0], file=sys.stderr, flush=True)
        try:
            check_options([command, *mistake])
        except SystemExit as end:
            assert end.code == 2
        else:
            raise AssertionError("it passed")
assert not {"jax", "numpy", "sklearn"} & {*sys.modules}
"""


def test_a_mistaken_option_of_any_command_imports_no_jax():
    done = subprocess.run([sys.executable, "-c", MISTAKES], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Unknown option: --no-such-option") == len(COMMANDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["membership", "--modle", "x"], "Did you mean --model?"),
        (["membership", "--models", "many"], 'unable to convert "many" into int'),
        (["membership", "--attacks"], "jaxattack: attacks is given without a word: give one, or leave attacks out."),
        (["extract", "--budget"], "--budget requires an argument"),
        (["extract", "--level", "all"], "--level"),
        (["score"], "OBSERVATIONS requires an argument"),
        (["report", "one", "two"], "'two' belongs to no option"),
    ],
)
def test_the_process_ends_with_the_mistake(words, said):
    program = f"import sys; from jaxattack.cli import main; sys.argv[1:] = {words!r}\ntry: main()\nfinally: assert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def one_list(hint: object) -> object:
    """A type; where it is one list of choices or another, both as one, as a mistake is told."""
    parts = get_args(hint)
    if parts and all(get_origin(part) is Literal for part in parts):
        return Literal[tuple(choice for part in parts for choice in get_args(part))]
    return hint


def options(app: App, command: str) -> dict[str, tuple[object, ...]]:
    """What each option of a command is called and takes, in order."""
    found: dict[str, tuple[object, ...]] = {}
    for argument in app[command].assemble_argument_collection():
        if argument.parse and not argument.children:
            hint = str if argument.name == "--config" else one_list(argument.hint)
            note = argument.parameter
            found.setdefault(  # of two with one name, the first
                argument.name,
                (
                    argument.names,
                    hint,
                    argument.required,
                    note.consume_multiple,
                    note.converter,
                    argument.is_positional_only(),
                ),
            )
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_it_has_the_options_of_the_command(command):
    app = App()
    app.command(stand_in(COMMANDS[command]), name=command)
    assert [*options(app, command).items()] == [*options(application(), command).items()]
