"""A key may be given in four ways, and is in nothing that is written or printed."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from command import run

from jaxattack.cli.credentials import Credentials, known_secrets, shown_command, shown_sentence, without_secrets
from jaxattack.oracle import from_function
from jaxattack.serve import Key, serving
from jaxattack.types import Access, InputError, Inputs

KEY = "sk-Ver7Secret-0123456789"
SMALL = ("--method", "softmax", "--compare", "50")


def softmax_regression():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3))

    def probability(x):
        z = np.exp(x @ weights)
        return z / z.sum(axis=1, keepdims=True)

    return from_function(probability, Access(level="probability", classes=3, inputs=Inputs.box(-1, 1, (4,))))


def written(folder):
    """Everything below a folder: names and contents."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name == "report.html" for file in files)
    return b"\n".join([str(file).encode() + b"\n" + file.read_bytes() for file in files])


@pytest.fixture(scope="module")
def service():
    with serving(softmax_regression(), keys=[Key(name="me", secret=KEY)]) as url:
        yield url


@pytest.mark.parametrize("way", ["option", "environment", "pipe"])
def test_a_key_is_in_nothing_that_is_written_or_printed(service, tmp_path, way):
    options = {
        "option": ("--key", KEY),
        "environment": (),
        "pipe": ("--key-file", "/dev/stdin"),
    }[way]
    environment = os.environ | ({"JAXATTACK_KEY": KEY} if way == "environment" else {})
    # With user and query as well: they are sent, the service does not mind them, and nobody is shown them.
    url = f"{service}?token={KEY[::-1]}"
    done = run("extract", url, *SMALL, *options, folder=tmp_path, env=environment, input=KEY if way == "pipe" else "")
    everything = written(tmp_path) + done.stdout.encode() + done.stderr.encode()
    assert KEY.encode() not in everything
    assert KEY[::-1].encode() not in everything
    assert b"sk-Ver7" not in everything
    report = next(tmp_path.rglob("report.html")).read_text()
    assert "?token=***" in report
    assert ("--key" in report) == (way != "environment")


def test_a_service_that_refuses_the_key_is_quoted_without_it(service, tmp_path):
    done = run("extract", service, *SMALL, "--key", KEY + "x", folder=tmp_path, expect=2)
    assert "refuses the key" in done.stderr or "does not answer" in done.stderr
    assert KEY not in done.stderr + done.stdout


def test_what_was_typed_wrongly_is_quoted_without_its_password():
    words = ["extract", "htp://me:pa55/word@host", "--key", KEY]
    said = shown_sentence(f"model is {words[1]!r} and not {KEY}: give another.", words)
    assert said == "model is 'htp://***@host' and not ***: give another."


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["extract", "v", "--key", "abcdef", "--out", "o"], "jaxattack extract v --key '***' --out o"),
        (["extract", "v", "--key=ab"], "jaxattack extract v '--key=***'"),
        (["extract", "v", "--key", "ab", "--out", "ab"], "jaxattack extract v --key '***' --out ab"),
        (
            ["extract", "v", "--key", "abcdef", "--out", "runs/abcdef"],
            "jaxattack extract v --key '***' --out 'runs/***'",
        ),
        (["extract", "http://me:word1@h/x"], "jaxattack extract 'http://***@h/x'"),
        (["extract", "--key"], "jaxattack extract --key"),
        (["membership", "--data", "iris"], "jaxattack membership --data iris"),
    ],
)
def test_a_command_is_shown_without_secrets(monkeypatch, arguments, shown):
    monkeypatch.delenv("JAXATTACK_KEY", raising=False)
    assert shown_command(arguments) == shown


def test_the_secrets_of_a_command_line(monkeypatch):
    words = ["extract", "https://me:word1@h?token=t0ken", "--key", "k1", "--key=k2", "--data", "://"]
    assert {"word1", "t0ken", "k1", "k2", "k3"} <= set(known_secrets(words, {"JAXATTACK_KEY": "k3"}))
    assert without_secrets({"abcd": [1, None, "x abcd"]}, ("abcd",)) == {"***": [1, None, "x ***"]}


def test_where_a_key_comes_from(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXATTACK_KEY", "from the environment")
    assert Credentials().read() == "from the environment"
    assert Credentials(key="typed").read() == "typed"
    assert "typed" not in repr(Credentials(key="typed"))
    (tmp_path / "key").write_text("\tin-a-file \n")
    assert Credentials(key_file=tmp_path / "key").read() == "in-a-file"
    monkeypatch.setenv("JAXATTACK_KEY", "")
    assert Credentials().read() is None
    with pytest.raises(InputError, match="the key is given twice"):
        Credentials(key="a", key_prompt=True)


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff\xfe", b"x" * 10_000])
def test_a_file_that_holds_no_key_is_refused_without_quoting_it(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InputError, match=r"key-file is .*key and holds no key") as caught:
        Credentials(key_file=tmp_path / "key").read()
    assert "words" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        Credentials(key_file=tmp_path).read()


def test_a_prompt_is_used_on_a_terminal_alone(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: " typed ")
    assert Credentials(key_prompt=True).read() == "typed"
    monkeypatch.setattr(Terminal, "isatty", lambda self: False)
    with pytest.raises(InputError, match="needs a terminal: use --key-file"):
        Credentials(key_prompt=True).read()
