"""Victims to serve, a wire to cut, and services that misbehave."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
from scipy.special import softmax

from jaxattack.oracle.ledger import CountingOracle
from jaxattack.oracle.local import answer_from_logits, from_function
from jaxattack.types import Access, Answer, Inputs

FEATURES, CLASSES = 6, 4
_rng = np.random.default_rng(7)
WEIGHT, OFFSET = _rng.normal(size=(FEATURES, CLASSES)), _rng.normal(size=CLASSES)
INPUTS = Inputs.box(-1.0, 1.0, (FEATURES,))


def logits(x: np.ndarray) -> np.ndarray:
    """A softmax regression whose missing features count as 0; each row alone, whatever else is in the batch."""
    return (np.nan_to_num(x)[:, :, None] * WEIGHT).sum(axis=1) + OFFSET


def probabilities(x: np.ndarray) -> np.ndarray:
    return softmax(logits(x), axis=1)


def victim(**terms) -> CountingOracle:
    """A softmax regression behind a meter."""
    access = Access(**({"level": "probability", "classes": CLASSES, "inputs": INPUTS} | terms))

    def answer(x: np.ndarray, bias=None) -> Answer:
        full = answer_from_logits(logits(x), access.level, bias)
        if not access.top:
            return full
        lowest = np.sort(full.probability, axis=1)[:, [-access.top]]
        return full._replace(probability=np.where(full.probability >= lowest, full.probability, np.nan))

    return from_function(answer, access)


def queries(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, FEATURES))


class Said(NamedTuple):
    """What a service sends back."""

    status: int
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[str, str, dict[str, str], bytes], Said | Iterable[bytes] | None]
"""Of method, path, headers and body: a response, pieces after which the connection is cut, or nothing but the cut."""


@contextmanager
def behaving(behaviour: Behaviour) -> Iterator[str]:
    """A service on the loopback interface that does as told; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10
        disable_nagle_algorithm = True

        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = behaviour(self.command, self.path, headers, body)
            if isinstance(said, Said):
                self.send_response(said.status)
                for name, value in (said.headers | {"Content-Length": str(len(said.body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said.body)
                return
            self.close_connection = True
            for piece in said or ():
                self.wfile.write(piece)

        do_GET = do_POST = handle_request

        def log_message(self, format: str, *args) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address) -> None:
            """Callers that hang up are expected."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forward(url: str, method: str, path: str, headers: dict[str, str], body: bytes) -> Said:
    """What the service at a URL says to a request."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return Said(response.status, {"Content-Type": response.headers["Content-Type"]}, response.read())
    finally:
        connection.close()
