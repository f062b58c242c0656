"""Requests that are too large, too slow or too many."""

from __future__ import annotations

import http.client
import json
import socket
import time
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from serve.bodies import NPY, npy, refused
from serve.victims import FEATURES, INPUTS, queries, victim

from jaxattack.oracle.ledger import CountingOracle
from jaxattack.serve import Settings, application, serving
from jaxattack.types import Access, Answer, InputError, Inputs


def raw(place: str) -> socket.socket:
    parts = urlsplit(place)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def status(connection: socket.socket) -> int:
    response = http.client.HTTPResponse(connection)
    response.begin()
    assert json.loads(response.read())["error"].endswith(".")
    return response.status


POST = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-npy\r\n"


def test_sizes_are_refused_before_they_have_arrived():
    with serving(victim(), settings=Settings(bytes=5000, records=50)) as place:
        with raw(place) as connection:  # by the length declared
            connection.sendall(POST + b"Content-Length: 5001\r\n\r\n")
            assert status(connection) == 413
        with raw(place) as connection:  # by what has come
            connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n1389\r\n" + b"\x93NUMPY" + bytes(4995))
            assert status(connection) == 413
        with raw(place) as connection:  # by what the .npy header declares
            start = npy(np.zeros((51, FEATURES)))[:1200]
            connection.sendall(POST + b"Content-Length: 2576\r\n\r\n" + start)
            assert status(connection) == 413
        asked = {"inputs": queries(51).tolist()}
        for encoded in ({"json": asked}, {"content": npy(queries(51)), "headers": NPY}):
            refused(httpx.post(f"{place}/predict", **encoded), 413)
        huge = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000000, 6), }\n"
        huge = b"\x93NUMPY\x01\x00" + len(huge).to_bytes(2, "little") + huge
        refused(httpx.post(f"{place}/predict", content=huge, headers=NPY), 413)


def test_fewer_records_are_let_in_where_they_would_exceed_the_bytes():
    wide = Inputs.box(0, 1, (1000,))
    oracle = CountingOracle(
        lambda x, bias: Answer(np.zeros(len(x), np.int64)), Access(level="label", classes=2, inputs=wide)
    )
    with serving(oracle, settings=Settings(bytes=50_000)) as place:
        assert httpx.get(place).json()["limits"]["records"] == 6
    with pytest.raises(InputError, match=r"one query takes 8000"):
        application(oracle, settings=Settings(bytes=8_000))


def test_what_arrives_too_slowly_is_let_go():
    with serving(victim(), settings=Settings(seconds=0.3)) as place:
        slow = [raw(place) for _ in range(4)]
        slow[0].sendall(POST + b"Content-Length: 500\r\n\r\n\x93NUM")  # a body
        slow[1].sendall(POST[:-9])  # headers
        slow[2].sendall(POST + b"Content-Length: 400000000\r\n\r\nxx")  # the rest of what was refused
        try:
            assert [status(connection) for connection in slow] == [408, 408, 413, 408]  # and nothing at all
            assert [connection.recv(1) for connection in slow] == [b""] * 4
        finally:
            for connection in slow:
                connection.close()
        with httpx.Client(base_url=place) as client:
            assert client.get("/health").status_code == 200


def test_an_answer_that_nobody_takes_is_let_go():
    wide = Access(level="logit", classes=50_000, inputs=INPUTS)
    oracle = CountingOracle(lambda x, bias: Answer(np.zeros(len(x), np.int64), None, np.zeros((len(x), 50_000))), wide)
    body = npy(queries(40))
    request = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with serving(oracle, settings=Settings(connections=2, seconds=0.5)) as place:
        with raw(place) as one, raw(place) as other:
            for connection in (one, other):
                connection.sendall(request)
            deadline = time.monotonic() + 20
            # Both hold their place, and read nothing, until they are let go.
            while (status := httpx.post(f"{place}/predict", content=body, headers=NPY).status_code) == 503:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert status == 200


def test_connections_beyond_the_limit_are_told_to_come_back():
    with serving(victim(), settings=Settings(connections=2)) as place:
        with raw(place), raw(place):
            replies = [httpx.get(f"{place}/health") for _ in range(5)]
            assert "too many connections" in refused(replies[-1], 503)["error"]
        assert httpx.get(f"{place}/health").status_code == 200


def test_small_answers_do_not_wait_for_an_acknowledgement(url):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    took = []
    for _ in range(40):
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        took.append(time.perf_counter() - began)
    connection.close()
    assert sorted(took)[10] < 0.03  # Nagle's algorithm and a delayed acknowledgement take 40 ms
