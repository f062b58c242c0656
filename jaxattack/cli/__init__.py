"""The command `jaxattack`: options become configurations, configurations become an audit, an audit becomes a folder.

What is printed for people goes to standard error, so that ``--json`` leaves standard output to programs. Bad input ends
with one sentence and exit status 2, Ctrl-C with 130 after saying how to go on.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import Any, NoReturn

import jax
from cyclopts import App, Parameter
from rich.console import Console

from jaxattack.audit.environment import release
from jaxattack.cli.credentials import shown_sentence
from jaxattack.cli.data import data
from jaxattack.cli.epsilon import epsilon
from jaxattack.cli.extraction import explained, extract, serve
from jaxattack.cli.inversion import invert
from jaxattack.cli.membership import membership, report, score, train
from jaxattack.types import InputError, InputWarning

app = App(
    name="jaxattack",
    version=release("jaxattack"),
    help="Measure how much a trained model gives away. Start with: jaxattack membership",
    result_action="return_value",
    help_format="markdown",
    default_parameter=Parameter(negative=""),
    suppress_keyboard_interrupt=False,  # `main` ends it
)


for _command in (
    membership, explained(extract), explained(invert), epsilon, explained(serve), train, score, report, data,
):  # fmt: skip
    app.command(_command)


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


def _end_with(sentence: str) -> NoReturn:
    """Say why the input cannot be used, without the secrets that were typed, and exit."""
    shown = shown_sentence(sentence, sys.argv[1:])
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"jaxattack: {shown}", markup=False)
    raise SystemExit(2) from None


def main() -> None:
    """Run the command line and exit: 0, or 2 for bad input, or 130 when stopped."""
    for number in (signal.SIGINT, signal.SIGALRM):
        signal.signal(number, interrupted)
    if "JAX_NUM_CPU_DEVICES" not in os.environ and sys.argv[1:2] in (["membership"], ["epsilon"]):
        # One virtual device a core: XLA spreads one small model's operations over cores badly, models over devices well.
        jax.config.update("jax_num_cpu_devices", cores())
    warnings.simplefilter("always", InputWarning)
    warnings.showwarning = show_warning
    try:
        app()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except InputError as error:
        _end_with(str(error))
    except MemoryError as error:
        _end_with(
            f"there is not enough memory ({f'{error}' or 'nothing is free'}): give less data, or a smaller model."
        )
    except KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stderr.flush()
        # The runtime would finish the chunk it is computing before the interpreter may end.
        os._exit(130)
