"""Pages in Markdown whose examples run as a reader would run them, one after the other in one folder.

    ```python       runs in the page's namespace; or, where its first line is the name of a file, is written to that
    ```pycon        runs there too, and answers as the page says
    ```bash         every line is a command; `jaxattack` runs with fewer models, epochs and records than the page names, and of
                    `pytest FILE` every test is called
    any other       is what something looks like

A comment before a block says what the page does not show:

    <!-- smaller: --records 60 -->     options that replace those of its commands while it is tested
    <!-- not run: why -->              commands that are read and not run; Python that is compiled and not run
    <!-- expect: 2 -->                 the exit status of the block's commands
    <!-- before                        Python that makes what the reader has already
    -->
"""

from __future__ import annotations

import doctest
import re
import runpy
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import command

from jaxattack.cli import application

ROOT = Path(__file__).parents[1]

SMALLER = {
    "membership": {"--models": "8", "--epochs": "2"},
    "matrix": {"--models": "4", "--epochs": "2"},
    "train": {"--epochs": "2"},
}
"""Options that make a command cheap, whatever the page says."""

BLOCK = re.compile(
    r"<!-- before\n(?P<before>.*?)-->|"
    r"(?:<!-- (?P<how>smaller|not run|expect): (?P<what>[^\n]*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.S | re.M,
)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A block of a page.

    Attributes:
        language: of the block.
        text: of it.
        how: what the comment before it says is to be done with it; None without one.
        what: and the details.
        line: of the page.
    """

    language: str
    text: str
    how: str | None
    what: str
    line: int


def examples(path: Path) -> list[Example]:
    """The blocks of a page that can be run, in its order."""
    text = path.read_text(encoding="utf-8")
    return [
        Example(
            language="python" if match["before"] else match["language"],
            text=match["before"] or match["text"],
            how=match["how"],
            what=match["what"] or "",
            line=text.count("\n", 0, match.start()) + 1,
        )
        for match in BLOCK.finditer(text)
        if match["before"] or match["language"] in ("python", "pycon", "bash")
    ]


def commands(example: Example) -> list[list[str]]:
    """The command lines of a block, in words, without prompts, comments and what stands before an &&."""
    lines = example.text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line.split(" && ")[-1], comments=True) for line in lines]
    return [[line[0].removeprefix(".venv/bin/"), *line[1:]] for line in words if line]


def options(tokens: list[str]) -> dict[str, list[str]]:
    """The values of each option in a command line; those before any option under an empty name."""
    values: dict[str, list[str]] = {"": []}
    name = ""
    for token in tokens:
        if token.startswith("--"):
            name = token
            values[name] = []
        else:
            values[name].append(token)
    return values


def smaller(tokens: list[str], changes: str) -> list[str]:
    """A command with what makes it cheap."""
    cheap = {} if "--references" in tokens else SMALLER.get(tokens[0], {})  # those are trained already
    changed = options(tokens) | {name: [value] for name, value in cheap.items()}
    changed |= {name: values for name, values in options(shlex.split(changes)).items() if name}
    return [token for name, values in changed.items() for token in ((name, *values) if name else values)]


def check(tokens: list[str]) -> None:
    """The command line is understood."""
    name, *_ = application().parse_args(tokens, exit_on_error=False, print_error=False)
    assert name.__name__ == tokens[0]


def call_tests(file: Path) -> None:
    """Call every test of a file, which may import its neighbours."""
    sys.path.insert(0, str(file.parent))
    try:
        tests = {name: value for name, value in runpy.run_path(str(file)).items() if name.startswith("test_")}
    finally:
        sys.path.remove(str(file.parent))
    assert tests
    for test in tests.values():
        test()


def run_commands(example: Example, folder: Path) -> None:
    """Run the commands of a block; those of other programs must be marked as not run."""
    for program, *tokens in commands(example):
        if program == "jaxattack":
            check(tokens)
        if example.how == "not run":
            continue
        if program == "pytest":
            call_tests(folder / tokens[0])
            continue
        assert program == "jaxattack", f"{program}: say why it is not run"
        status = int(example.what) if example.how == "expect" else 0
        changes = example.what if example.how == "smaller" else ""
        command.run(*smaller(tokens, changes), folder=folder, expect=status)


def run_page(path: Path, folder: Path) -> None:
    """Run a page in a folder, which is the working directory."""
    namespace: dict[str, object] = {"__name__": path.stem}
    for example in examples(path):
        file = re.match(r"# (\w+\.py)\n", example.text)
        if example.language == "bash":
            run_commands(example, folder)
        elif file:
            (folder / file[1]).write_text(example.text, encoding="utf-8")
        elif example.language == "pycon":
            test = doctest.DocTestParser().get_doctest(example.text, namespace, path.name, str(path), example.line)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
            runner.run(test, clear_globs=False)
            namespace = test.globs
            assert runner.summarize(verbose=False).failed == 0
        else:
            code = compile("\n" * example.line + example.text, str(path), "exec")
            if example.how != "not run":
                exec(code, namespace)
