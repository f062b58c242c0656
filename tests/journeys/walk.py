"""Walk the journeys: what people of six kinds do with the installed package, each a script in an empty folder, timed.

    python tests/journeys/walk.py [--brief] [NAME ...]

One that needs a package which is not installed, such as torch, is told apart from one that fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
LACKING = "ModuleNotFoundError: "
"""How the last line of a script begins that needs another package."""


class Walk(NamedTuple):
    """What became of a journey.

    Attributes:
        status: the script's.
        seconds: that it took.
        output: all that it wrote.
    """

    status: int
    seconds: float
    output: str


def journeys() -> list[Path]:
    """The scripts."""
    scripts = {*FOLDER.glob("*.sh"), *FOLDER.glob("*.py")} - {*FOLDER.glob("test_*"), Path(__file__)}
    return sorted(scripts)


def walk(script: Path, folder: Path, *, brief: bool) -> Walk:
    """Run a script in an empty folder, with this interpreter and the command beside it.

    Args:
        script: of bash or Python.
        folder: where it runs.
        brief: whether it may train fewer models.
    """
    interpreter = Path(sys.executable)
    environment = os.environ | {"PYTHON": str(interpreter), "JAXATTACK": str(interpreter.with_name("jaxattack"))}
    environment |= {"BRIEF": "1"} if brief else {}
    program = "bash" if script.suffix == ".sh" else str(interpreter)
    begin = time.perf_counter()
    done = subprocess.run(
        [program, str(script)], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return Walk(done.returncode, time.perf_counter() - begin, done.stdout)


def main() -> None:
    """Walk them one after the other and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="journeys, by their names; all by default")
    parser.add_argument("--brief", action="store_true", help="train fewer models")
    options = parser.parse_args()
    failed = False
    for script in journeys():
        if options.names and script.stem not in options.names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            done = walk(script, Path(folder), brief=options.brief)
        last = (done.output.strip().splitlines() or [""])[-1]
        lacking = done.status != 0 and last.startswith(LACKING)
        outcome = "done" if done.status == 0 else f"not here: {last.removeprefix(LACKING)}" if lacking else "failed"
        sys.stdout.write(f"{script.stem:18} {done.seconds:6.1f} s  {outcome}\n")
        if outcome == "failed":
            failed = True
            sys.stdout.write(done.output)
    sys.exit(failed)


if __name__ == "__main__":
    main()
