"""A thousand malformed requests, drawn from a seed: each is refused with one sentence, and the server is right afterwards."""

from __future__ import annotations

import http.client
import io
import json
import socket
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from serve.victims import FEATURES, INPUTS, logits, probabilities, queries, victim

from jaxattack.oracle.remote import connect
from jaxattack.serve import Key, Settings, serving
from jaxattack.types import Inputs

NPY, JSON = "application/x-npy", "application/json"
LIMIT, RECORDS = 20_000, 64
KEY = "the-key"


def npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(text: str, version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    encoded = text.encode("latin-1") + b"\n"
    size = len(encoded) if length is None else length
    return b"\x93NUMPY" + version + size.to_bytes(2 if version == b"\x01\x00" else 4, "little") + encoded


def declared(descr: str = "'<f8'", order: str = "False", shape: str = "(1, 6)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def spoilt(rng: np.random.Generator) -> np.ndarray:
    """Numbers of which one is none that the service takes."""
    x = rng.uniform(-1, 1, (rng.integers(1, 5), FEATURES))
    value = rng.choice([np.nan, np.inf, -np.inf, 1e16, -1e300, 2e15])
    x[rng.integers(len(x)), rng.integers(FEATURES - 1)] = value
    return x


def misshapen(rng: np.random.Generator) -> np.ndarray:
    shapes = [
        (),
        (0,),
        (FEATURES,),
        (0, FEATURES),
        (2, FEATURES + 1),
        (2, FEATURES, 1),
        (3, 0),
        (RECORDS + 1, FEATURES),
    ]
    return np.zeros(shapes[rng.integers(len(shapes))])


def bad_npy(rng: np.random.Generator) -> bytes:
    good = npy(rng.uniform(-1, 1, (3, FEATURES)))
    n = int(rng.integers(1 << 30))
    bodies = [
        lambda: npy(spoilt(rng)),
        lambda: npy(misshapen(rng)),
        lambda: npy(np.array([[0, 0, 0, 0, 0, 7.5]])),  # a category that is none
        lambda: npy(np.array([[0, 0, 0, 0, 0, 3]])),
        lambda: npy(np.array([{"a": 1}, None], object), allow_pickle=True),
        lambda: npy(np.zeros((2, FEATURES), complex)),
        lambda: npy(np.full((2, FEATURES), "1")),
        lambda: npy(np.zeros(2, [("a", float), ("b", int)])),
        lambda: npy(np.zeros((2, FEATURES), "M8[s]")),
        lambda: good[: n % len(good)],  # cut short
        lambda: good + rng.bytes(1 + n % 40),  # goes on
        lambda: good + npy(np.zeros((3, 1))),  # two arrays
        lambda: good + npy(np.zeros((3, 1))) * 2,  # a bias where none is taken
        lambda: good + npy(np.zeros((3, 1))) * 5,
        lambda: rng.bytes(n % 3000),
        lambda: good[:6] + rng.bytes(2) + good[8:] if n % 2 else good[1:],
        lambda: good[:8] + rng.bytes(2) + good[10:],
        lambda: header(declared(shape=f"({n}, 6)")) + bytes(48),
        lambda: header(declared(shape=f"({10**18}, {10**18}, 6)")),
        lambda: header(declared(shape="(-1, 6)")) + bytes(48),
        lambda: header(declared(shape=f"(0, {10 ** (20 + n % 20)})")),
        lambda: header(declared(shape="(1, 6" + ", 1" * 40 + ")")) + bytes(48),
        lambda: header(declared(shape=str([1, 6]))) + bytes(48),
        lambda: header(declared(shape="(" * 500)) + bytes(48),
        lambda: header(declared(descr=rng.choice(["'|O'", "'<f3'", "'<f16'", "'V8'", "[('a', '<f8')]", "'<c16'"]))) + bytes(99),
        lambda: header(declared(order="None")) + bytes(48),
        lambda: header(declared(), b"\x03\x00") + bytes(48),
        lambda: header(declared() + " " * 2000) + bytes(48),
        lambda: header("__import__('os').abort()") + bytes(48),
        lambda: header(declared(), b"\x02\x00", length=(1 << 32) - 1) + bytes(48),
    ]  # fmt: skip
    return bodies[rng.integers(len(bodies))]()


def bad_json(rng: np.random.Generator) -> bytes:
    row = [*rng.uniform(-1, 1, FEATURES - 1).round(3).tolist(), 1]
    good = json.dumps({"inputs": [row]})
    n = int(rng.integers(1 << 30))
    deep = int(rng.integers(50, 9000))
    bodies = [
        lambda: json.dumps({"inputs": spoilt(rng).tolist()}),  # NaN and Infinity among them
        lambda: json.dumps({"inputs": misshapen(rng).tolist()}),
        lambda: good[: n % len(good)],
        lambda: good + "]" * (1 + n % 9),
        lambda: "[" * deep + "]" * deep,
        lambda: '{"inputs":' * deep + "1" + "}" * deep,
        lambda: '{"inputs":' + "[" * deep + "1" + "]" * deep + "}",
        lambda: json.dumps([row]),
        lambda: json.dumps(rng.choice([1.5, 0]).item()),
        lambda: "null",
        lambda: "",
        lambda: json.dumps({"input": [row]}),
        lambda: json.dumps({"inputs": [row], "more": n}),
        lambda: json.dumps({"inputs": [row, row[:-1]]}),  # ragged
        lambda: json.dumps({"inputs": [[str(value) for value in row]]}),
        lambda: json.dumps({"inputs": [[None, *row[1:]]]}),
        lambda: json.dumps({"inputs": [[True] * FEATURES]}),
        lambda: json.dumps({"inputs": [[{}, *row[1:]]]}),
        lambda: json.dumps({"inputs": [[10**400, *row[1:]]]}),
        lambda: '{"inputs": [[%s, 0, 0, 0, 0, 0]]}' % ("1" * 5000),
        lambda: '{"inputs": [[1e999, 0, 0, 0, 0, 0]]}',
        lambda: json.dumps({"inputs": [[*row[:-1], 3]]}),
        lambda: json.dumps({"inputs": [row], "bias": {"token": [[0]], "value": [[1.0]]}}),
        lambda: json.dumps({"inputs": [row], "bias": {"token": [["x"]]}}),
        lambda: json.dumps({"inputs": [row], "bias": n}),
        lambda: json.dumps({"inputs": [row] * (RECORDS + 1 + n % 9)}),
        lambda: good.replace(",", ";"),
        lambda: "\ufeff" + good[:-1],
    ]  # fmt: skip
    return bodies[rng.integers(len(bodies))]().encode(*(["utf-8"] if n % 5 else ["utf-16-le"]))


def bad_request(rng: np.random.Generator) -> tuple[str, str, dict[str, str], bytes]:
    """Method, path, headers and body of a request of which something is wrong."""
    form = NPY if rng.random() < 0.5 else JSON
    headers = {"Content-Type": form, "Authorization": f"Bearer {KEY}"}
    body = npy(queries(2)) if form == NPY else json.dumps({"inputs": queries(2).tolist()}).encode()
    what = rng.random()
    if what < 0.7:
        return "POST", "/predict", headers, bad_npy(rng) if form == NPY else bad_json(rng)
    if what < 0.75:
        return "POST", "/predict", headers, bytes(LIMIT + int(rng.integers(1, 50_000)))
    if what < 0.8:
        method, path = rng.choice(["GET", "PUT", "DELETE", "OPTIONS", "NONSENSE"]), rng.choice(["/predict", "/nothing"])
        return method, path, headers, body
    if what < 0.83:
        return "POST", str(rng.choice(["/", "/metrics", "/predict/", "//predict", "/%00", "/../etc"])), headers, body
    name, values = {
        0: ("Content-Type", ["text/plain", "", "application/x-npy-2", "multipart/form-data", "\x80" * 300]),
        1: ("Authorization", ["Bearer nobody", f"Basic {KEY}", KEY, "", f"Bearer {KEY} {KEY}", "Bearer \xff"]),
        2: ("Accept", ["text/html", "image/*;q=1", "application/json;q=0", ";;;,,,", "q=1"]),
        3: ("Batch-Queries", ["-1", "1.5", "many", "\xb2", "9" * 400]),
        4: ("Idempotency-Key", ["", "x" * 129]),
        5: ("Content-Encoding", ["gzip", "br", "nonsense"]),
    }[int(rng.integers(6))]
    return "POST", "/predict", headers | {name: str(rng.choice(values))}, body


START = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
NO_HTTP = [
    b"\r\n\r\n\r\nnonsense\r\n\r\n",
    b"GET\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # a TLS hello
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",  # no Host
    b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nBad\x00Name: 1\r\n\r\n",
    START + b"Content-Length: -5\r\n\r\n",
    START + b"Content-Length: 5, 6\r\n\r\n",
    START + b"Content-Length: 99999999999999999999999\r\n\r\n",
    START + b"Transfer-Encoding: gzip\r\n\r\n",
    START + b"Content-Type: " + JSON.encode() + b"\r\nAuthorization: Bearer the-key\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    START + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    b"A" * 100_000,
    bytes(5000) + b"\r\n\r\n",
]  # fmt: skip


def refusal(response: http.client.HTTPResponse, asked: object) -> None:
    body = response.read()
    assert 400 <= response.status < 500, (response.status, body, asked)
    assert response.headers["content-type"] == JSON
    error = json.loads(body)["error"]
    assert error.endswith(".")
    assert error.isprintable()
    assert len(error) < 400


@pytest.fixture(scope="module")
def url():
    inputs = Inputs(low=INPUTS.low, high=INPUTS.high, categories=np.array([0, 0, 0, 0, 0, 3]))
    settings = Settings(bytes=LIMIT, records=RECORDS)
    with serving(victim(inputs=inputs), keys=[Key(name="me", secret=KEY)], settings=settings) as place:
        yield place


def test_a_thousand_malformed_requests_are_refused_with_a_sentence_each(url):
    rng = np.random.default_rng(4)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        for _ in range(1000 - 5 * len(NO_HTTP)):
            request = bad_request(rng)
            method, path, headers, body = request
            connection.request(method, path, body, {k: v.encode("latin-1") for k, v in headers.items()})
            refusal(connection.getresponse(), request)
    finally:
        connection.close()
    for garbage in NO_HTTP * 5:
        with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=20) as wire:
            wire.sendall(garbage)
            response = http.client.HTTPResponse(wire)
            response.begin()
            refusal(response, garbage)
    metrics = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {KEY}"}).text
    assert 'queries_answered_total{key="me"} 0' in metrics
    assert 'status="5' not in metrics
    x = np.hstack([queries(50)[:, :-1], np.ones((50, 1))])
    for form in ("npy", "json"):
        with connect(url, key=KEY, format=form) as oracle:
            np.testing.assert_array_equal(oracle(x).probability, probabilities(x))
            np.testing.assert_array_equal(oracle(x).label, logits(x).argmax(1))
