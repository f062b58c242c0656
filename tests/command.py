"""The command line in a process of its own, and a port of loopback for it."""

import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from compiled import keep_programs, programs

from jaxattack.cli import main

LIMIT = 300
"""Seconds that a command may take."""

# Importing JAX takes longer than most commands: one process does so, and every command is a fork of it. It computes
# nothing, so that it has no thread of JAX's that a fork would lose.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [f"jaxattack.cli.{name}" for name in ("membership", "extraction", "inversion", "epsilon", "data")]
)


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def run(*arguments, folder, expect=0, env=None, input=""):
    """Run the command and return what it wrote.

    Args:
        arguments: of the command.
        folder: where it runs.
        expect: its exit status.
        env: its environment, or this process's.
        input: what a pipe brings it.
    """
    command = [sys.executable, "-m", "jaxattack", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as outputs:
        texts = [Path(outputs) / name for name in ("stdout", "stderr")]
        environment = dict(os.environ if env is None else env)
        places = (os.fspath(folder), *map(os.fspath, texts), programs())
        process = _SERVER.Process(target=_become, args=(command[2:], *places, environment, input))
        process.start()
        process.join(LIMIT)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, LIMIT)
        done = subprocess.CompletedProcess(command, process.exitcode, *(text.read_text() for text in texts))
    assert done.returncode == expect, done.stderr
    return done


def _become(arguments, folder, stdout, stderr, compiled, environment, piped):
    """In the fork: run the command with its outputs in files and its input from a pipe, in the environment of the test.

    That of the fork is as old as the process that it is a fork of. Under other flags of XLA sums are rounded otherwise.
    """
    os.environ.clear()
    os.environ.update(environment)
    keep_programs(compiled)
    os.chdir(folder)
    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), number)
    reading, writing = os.pipe()
    os.write(writing, piped.encode())
    os.close(writing)
    os.dup2(reading, 0)
    sys.argv = arguments
    main()
