"""Credentials in an address are sent, and shown nowhere."""

from __future__ import annotations

import base64
import json
import logging
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from serve.victims import probabilities, queries, victim

from jaxattack.oracle import connect
from jaxattack.oracle.remote import client
from jaxattack.oracle.remote.address import mask, mask_url, read_address
from jaxattack.oracle.remote.wire import write_access, write_json
from jaxattack.serve import Key, serving
from jaxattack.types import InputError, OracleError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:8000/models/7", "http://host:8000/models/7"),
        ("https://me:pa55word@host/x", "https://***@host/x"),
        ("https://sk_live_1234@host", "https://***@host"),
        ("https://me:pa%40ss@host/x?version=2", "https://***@host/x?version=2"),
        ("http://host/x?token=abcd&model=b", "http://host/x?token=***&model=b"),
        ("http://host/x?abcd#part", "http://host/x?***"),
        ("http://host/x?empty=", "http://host/x?***"),
        ("http://me:pa/ss@host/x?y", "http://***@host/x"),
        ("http://me:pa?ss@host/x", "http://***@host/x"),
        ("htp://me:pass@host", "htp://***@host"),
        ("softmax", "softmax"),
        ("folder/with@sign", "folder/with@sign"),
    ],
)
def test_what_is_shown_of_an_address(url, shown):
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "url", ["http://me:pa/ss@host", "http://me:pa?ss@host", "ftp://me:pass@host", "http://me:pass@"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(InputError, match=r"^url is '.*': give one such as") as caught:
        read_address(url)
    assert "pa" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_secrets_are_masked_longest_first_and_short_ones_left():
    assert mask("abcdef abcd a", ["abcd", "abcdef", "a"]) == "*** *** a"


def test_a_user_in_the_address_and_a_key_are_refused_together():
    with pytest.raises(InputError, match=r"a key is given and http://\*\*\*@host holds a user"):
        connect("http://me:password@host", key="another")


@contextmanager
def running(handler):
    """A server of loopback while a block runs; gives its place."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def echo():
    """A service that quotes, in what it refuses, everything that it is sent."""
    asked = []

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            body = json.dumps({"error": f"nobody knows {self.path} of {self.headers['Authorization']}"}).encode()
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with running(Echo) as place:
        yield place, asked


def test_credentials_are_sent_and_neither_logged_nor_told_even_where_the_service_quotes_them(echo, caplog):
    place, asked = echo
    caplog.set_level(logging.DEBUG)
    basic = base64.b64encode(b"me:pa55word").decode()
    for url, key, sent in (
        (f"http://{place}/api", "sk-secret-1", ("/api/describe", "Bearer sk-secret-1")),
        (f"http://me:pa55word@{place}/api", None, ("/api/describe", f"Basic {basic}")),
        (
            f"http://{place}/api?token=t0p%2Bsecret",
            "sk-secret-1",
            ("/api/describe?token=t0p%2Bsecret", "Bearer sk-secret-1"),
        ),
    ):
        with pytest.raises(InputError, match="refuses the key") as caught:
            connect(url, key=key, retries=0)
        assert asked[-1] == sent
        told = str(caught.value) + caplog.text
        for secret in ("sk-secret-1", "pa55word", basic, "t0p"):
            assert secret not in told
        assert f"{place}/api" in str(caught.value)


def test_a_service_behind_a_query_is_asked():
    keys = [Key(name="me", secret="the-key")]
    with serving(victim(), keys=keys) as place, connect(f"{place}?token=abcd", key="the-key") as oracle:
        assert oracle.url == f"{place}?token=***"
        np.testing.assert_array_equal(oracle(queries(5)).probability, probabilities(queries(5)))


@pytest.mark.parametrize("path", ["/describe", "/predict"])
def test_an_answer_without_end_is_cut_where_no_answer_is_so_long(path, monkeypatch):
    monkeypatch.setattr(client, "_LARGEST_TERMS", 1 << 20)
    sent = []

    class Endless(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            terms = write_json(
                {"access": write_access(victim().access), "price": 0.0, "limits": {"records": 10, "bytes": 1 << 20}}
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if self.command == "GET" else "application/x-npy")
            if self.path != path:
                self.send_header("Content-Length", str(len(terms)))
                self.end_headers()
                self.wfile.write(terms)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with suppress(OSError):  # until the other side has enough
                while len(sent) < 10_000:
                    self.wfile.write(b"10000\r\n" + b"[" * 0x10000 + b"\r\n")
                    sent.append(0x10000)
            self.close_connection = True

        do_GET = do_POST = answer

        def log_message(self, *arguments):
            pass

    with (
        running(Endless) as place,
        pytest.raises(OracleError, match=r"cannot be believed: more than [0-9,]+ bytes"),
        connect(f"http://{place}", retries=0) as oracle,
    ):
        oracle(queries(3))
    assert sum(sent) < 20 << 20
