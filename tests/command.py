"""The installed command, in a process of its own."""

import subprocess
import sys


def run(*arguments, folder, expect=0, **options):
    """Run the installed command and return what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "jaxattack", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )
    assert done.returncode == expect, done.stderr
    return done
