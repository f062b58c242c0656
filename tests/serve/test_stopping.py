from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest
from serve.victims import INPUTS, queries, victim

from jaxattack.oracle.ledger import CountingOracle
from jaxattack.oracle.remote import connect
from jaxattack.serve import Settings, serving
from jaxattack.types import Access, Answer, OracleError

PROGRAM = """
import sys, time
import numpy as np
from jaxattack.oracle.ledger import CountingOracle
from jaxattack.serve import serve
from jaxattack.types import Access, Answer, Inputs

def slow(x, bias):
    print("asked", flush=True)
    time.sleep(0.5)
    return Answer(np.arange(len(x)))

access = Access(level="label", classes=9, inputs=Inputs.box(-1, 1, (6,)))
serve(CountingOracle(slow, access), port=0, ready=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


def test_a_process_told_to_stop_finishes_what_is_in_flight():
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().decode().strip()
        labels = []

        def ask() -> None:
            with connect(url) as oracle:
                labels.append(oracle(queries(3)).label)

        asking = threading.Thread(target=ask)
        asking.start()
        assert process.stdout.readline() == b"asked\n"
        process.send_signal(signal.SIGTERM)
        asking.join(20)
        assert process.stdout.read() == b"stopped\n"
        assert process.wait(20) == 0
        assert process.stderr.read() == b""
    np.testing.assert_array_equal(labels[0], [0, 1, 2])


def test_a_model_that_hangs_is_waited_for_no_longer_than_the_grace():
    begun, release = threading.Event(), threading.Event()

    def hang(x, bias):
        begun.set()
        release.wait(20)
        return Answer(np.zeros(len(x), np.int64))

    oracle = CountingOracle(hang, Access(level="label", classes=2, inputs=INPUTS))
    outcome = []

    def ask(url: str) -> None:
        with connect(url, retries=0) as remote, pytest.raises(OracleError) as caught:
            remote(queries(1))
        outcome.append(str(caught.value))

    with serving(oracle, settings=Settings(grace=1)) as url:
        asking = threading.Thread(target=ask, args=(url,))
        asking.start()
        assert begun.wait(20)
        stopping = time.monotonic()
    assert 0.9 < time.monotonic() - stopping < 10
    release.set()
    asking.join(20)
    assert len(outcome) == 1


def test_a_server_in_a_block_is_gone_after_it_with_idle_and_silent_connections_open():
    with httpx.Client() as client:
        with serving(victim()) as url:
            assert client.get(f"{url}/health").status_code == 200
            place = httpx.URL(url)
            silent = socket.create_connection((place.host, place.port or 0))
        with silent:
            assert silent.recv(1) == b""
        try:
            client.get(f"{url}/health")
        except httpx.TransportError:
            return
    raise AssertionError("the server still answers")
