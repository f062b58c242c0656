"""The installed command, in a process of its own, and a port of loopback for it."""

import socket
import subprocess
import sys


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


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
