"""The command `jaxattack`: options become configurations, configurations become an audit, an audit becomes a folder.

What is printed for people goes to standard error, so that ``--json`` leaves standard output to programs. Bad input ends
with one sentence, Ctrl-C after saying how to go on; `jaxattack.cli.status` has the exit statuses.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from cyclopts import App, ArgumentCollection, CycloptsError, Parameter, UnusedCliTokensError
from rich.console import Console

from jaxattack.cli.options import require_whole_numbers, require_words
from jaxattack.cli.signature import stand_in
from jaxattack.cli.status import BAD_INPUT, INTERRUPTED, end, status_help
from jaxattack.cli.summary import summary
from jaxattack.error import InputError, InputWarning

COMMANDS = {
    "membership": "jaxattack.cli.membership:membership",
    "matrix": "jaxattack.cli.matrix:matrix",
    "extract": "jaxattack.cli.extraction:extract",
    "invert": "jaxattack.cli.inversion:invert",
    "evade": "jaxattack.cli.evasion:evade",
    "own": "jaxattack.cli.ownership:own",
    "poison": "jaxattack.cli.poisoning:poison",
    "reconstruct": "jaxattack.cli.reconstruction:reconstruct",
    "architecture": "jaxattack.cli.architecture:architecture",
    "generator": "jaxattack.cli.generator:generator",
    "epsilon": "jaxattack.cli.epsilon:epsilon",
    "serve": "jaxattack.cli.extraction:serve",
    "train": "jaxattack.cli.train:train",
    "score": "jaxattack.cli.score:score",
    "report": "jaxattack.cli.report:report",
    "runs": "jaxattack.cli.runs:runs",
    "compare": "jaxattack.cli.compare:compare",
    "data": "jaxattack.cli.data:data",
    "attacks": "jaxattack.cli.attacks:attacks",
}
"""Where each command is: its module, which imports JAX, is imported when its options are right and it runs."""


COMPILING = COMMANDS.keys() - {"data", "attacks", "runs"}
"""The commands whose programs are worth keeping."""

ON_DEVICES = ("membership", "matrix", "epsilon", "own", "poison", "architecture")
"""The commands that train many models, each on a device."""

HELP = frozenset({"--help", "-h"})

DEBUG = "--debug"
"""The word with which any command that ends with a sentence shows the code that led to it first, a user's own included."""

COMPLETION = "--install-completion"
"""The option that writes a script for the TAB key, for which every command is imported; the script itself runs nothing."""


def application(*, listing: bool = False) -> App:
    """The command line.

    Args:
        listing: the commands as a list to read, each with its line, where the words name none to run: nothing is imported for
            it, neither for a help nor for a guess at what a mistyped command was meant to be.
    """
    app = _application(require_words, require_whole_numbers, configure)
    for name, place in COMMANDS.items():
        app.command(App(name=name, help=summary(place)) if listing else place, name=name)
    app.register_install_completion_command(
        name=COMPLETION,
        help="Let the TAB key complete commands and options in bash, zsh or fish: writes a script for yours.",
    )
    return app


def check_options(words: Sequence[str]) -> None:
    """End with a sentence where a command's options are mistaken, before the command is imported.

    Options are not checked where a file may have what is missing among them: the command reads it.

    Args:
        words: of the command line, the command first.

    Raises:
        InputError: an option's word is none that it takes.
    """
    if words and words[0] in COMMANDS and HELP.isdisjoint(words) and not any(map(_is_configuration, words)):
        app = _application(require_words, require_whole_numbers)
        app.command(stand_in(COMMANDS[words[0]]), name=words[0])
        try:
            app.parse_args(words, exit_on_error=False, print_error=False)
        except UnusedCliTokensError as error:
            unused = " ".join(error.unused_tokens or ())
            raise InputError(f"{unused!r} belongs to no option: name its option before it, or leave it out.") from error
        except CycloptsError:
            app.parse_args(words)  # it says itself what is wrong


def _is_configuration(word: str) -> bool:
    return word.partition("=")[0] == "--config"


def _application(*checks: Callable[..., None]) -> App:
    """A command line without commands.

    Args:
        checks: of what was typed.
    """
    return App(
        name="jaxattack",
        version=_version,
        help=f"Measure how much a trained model gives away. Start with: jaxattack membership\n\nEvery command takes `{DEBUG}`, and "
        f"then shows the code, yours too, that led to the sentence with which it ends.\n\n{status_help()}",
        result_action="return_value",
        help_format="markdown",
        default_parameter=Parameter(negative=""),
        config=checks,
        suppress_keyboard_interrupt=False,  # `main` ends it
    )


def _version() -> str:
    from jaxattack.release import release  # here alone: without it a mistaken option is told sooner

    return release("jaxattack")


def configure(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:  # noqa: ARG001 (as cyclopts calls it)
    """Read the file that ``--config`` names, where a command has that option."""
    if commands and arguments:
        from jaxattack.cli.configuration import read_configuration

        read_configuration(tuple(COMMANDS), commands[0], arguments)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


INSIST = 2.0
"""Seconds after which Ctrl-C that had no effect has one."""


def interrupted(*_: object) -> None:
    """Stop, and insist: Python drops an exception that is raised while it frees an object, so it is raised again."""
    signal.setitimer(signal.ITIMER_REAL, INSIST)
    raise KeyboardInterrupt


def show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Print what the input had that is worth knowing as one sentence; what libraries warn of as Python does."""
    if issubclass(category, InputWarning):
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"jaxattack: {message}", markup=False)
    else:
        sys.stderr.write(warnings.formatwarning(message, category, *place[:2]))


def _end_with(sentence: str, error: Exception, *, debug: bool) -> NoReturn:
    """Say why the input cannot be used, without the secrets that were typed, and exit."""
    from jaxattack.cli.credentials import shown_sentence

    if debug:
        sys.stderr.write(shown_sentence("".join(traceback.format_exception(error)), sys.argv[1:]))
    end(BAD_INPUT, shown_sentence(sentence, sys.argv[1:]))


def _set_up_jax(command: str) -> None:
    """Let JAX have the devices and the kept programs that a command computes with, before anything asks for them."""
    if "JAX_NUM_CPU_DEVICES" not in os.environ and command in ON_DEVICES:
        # One virtual device a core: XLA spreads one small model's operations over cores badly, models over devices well.
        import jax

        jax.config.update("jax_num_cpu_devices", cores())
    if command in COMPILING and HELP.isdisjoint(sys.argv):
        from jaxattack.cli.programs import keep_programs

        keep_programs()


def main() -> None:
    """Run the command line and exit, as `jaxattack.cli.status.STATUSES` says."""
    debug = DEBUG in sys.argv
    sys.argv[1:] = [word for word in sys.argv[1:] if word != DEBUG]
    for number in (signal.SIGINT, signal.SIGALRM):
        signal.signal(number, interrupted)
    warnings.simplefilter("always", InputWarning)
    warnings.showwarning = show_warning
    # What is imported and traced is a million objects that stay. Looking among them for what nobody can reach took .4 s of
    # starting an audit of 16 models, of 4, and once more .6 to .8 s at the end, when all is given back anyway.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    try:
        check_options(sys.argv[1:])
        _set_up_jax("".join(sys.argv[1:2]))
        application(listing={*COMMANDS, COMPLETION}.isdisjoint(sys.argv[1:]))()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except InputError as error:
        _end_with(str(error), error, debug=debug)
    except MemoryError as error:
        sentence = (
            f"there is not enough memory ({f'{error}' or 'nothing is free'}): give less data, or a smaller model."
        )
        _end_with(sentence, error, debug=debug)
    except KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stderr.flush()
        # The runtime would finish the chunk it is computing before the interpreter may end.
        os._exit(INTERRUPTED)
