"""The script for the TAB key: made once, it completes without running the program."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from jaxattack.cli import COMPLETION, application

BASH = shutil.which("bash")


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "jaxattack.bash"
    path.write_text(application().generate_completion(shell="bash"))
    return path


@pytest.mark.skipif(BASH is None, reason="bash is not here")
@pytest.mark.parametrize(
    ("words", "completions"),
    [
        (["mem"], {"membership"}),
        (["membership", "--keep"], {"--keep-weights"}),
        (["extract", "--conf"], {"--config"}),
        (["train", "--optimizer", "ad"], {"adam", "adamw"}),
        (["--inst"], {COMPLETION}),
    ],
)
def test_bash_completes_commands_options_and_choices(words, completions, script):
    line = f"source {script}; COMP_WORDS=(jaxattack {' '.join(words)}); COMP_CWORD={len(words)}; _jaxattack; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        [BASH, "-c", line], capture_output=True, text=True, timeout=60, env={"PATH": "/nowhere", "COMP_TYPE": "9"}
    )
    assert {*done.stdout.split()} == completions, done.stderr
