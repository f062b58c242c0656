"""One request to a service over HTTP, tried until there is a response that another attempt would not change.

What goes wrong on the way is tried again: connections that fail or drop, attempts that take too long, and statuses 408,
429, 502, 503 and 504, after a pause that doubles from 0.1 s to 10 s, times a random factor of 0.5 to 1, or after what the
service asks for. Waiting for a service's rate (429) is no failure and is not counted as one.
"""

from __future__ import annotations

import math
import random
import time
from typing import Any, NamedTuple

import httpx

from jaxattack.oracle.remote.wire import DAMAGE, read_json
from jaxattack.types import InputError, OracleError

PATIENCE = 600.0
"""Seconds that one request may be put off by a service's rate."""

_TRANSIENT = (408, 429, 502, 503, 504)


class Reply(NamedTuple):
    """A response, whole."""

    status: int
    headers: httpx.Headers
    body: bytearray

    def detail(self) -> dict[str, Any]:
        """What a refusal says; nothing where it is no JSON."""
        try:
            return read_json(self.body)
        except DAMAGE:
            return {}

    def sentence(self) -> str:
        """What a refusal says to people, on one line and free of control characters."""
        said = self.detail().get("error")
        said = said if isinstance(said, str) else ""
        return "".join(letter if letter.isprintable() else " " for letter in said[:400]) or f"status {self.status}."

    def media(self) -> str:
        """The content type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def pause(self) -> float | None:
        """Seconds that a refusal asks to wait; the exact ones of its body rather than the header's whole ones."""
        for said in (self.detail().get("retry_after"), self.headers.get("retry-after")):
            try:
                seconds = float(said)  # pyright: ignore[reportArgumentType]
            except (TypeError, ValueError, OverflowError):
                continue
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
        return None


class Exchange:
    """Connections to one service, kept open and made anew when they drop.

    Attributes:
        url: of the service.
    """

    def __init__(self, url: str, *, key: str | None, timeout: float, retries: int):
        """Open nothing yet.

        Args:
            url: of the service.
            key: sent as a bearer token.
            timeout: seconds that an attempt may go without progress, and that the body of a response may take in all.
            retries: how many more attempts follow one that failed.

        Raises:
            InputError: the URL is none.
        """
        self.url = url
        self._timeout, self._retries, self._jitter = timeout, retries, random.Random()
        try:
            place = httpx.URL(url)
            host = place.host
            place.raw_host.decode("ascii").encode("idna")  # as the resolver does
        except (httpx.InvalidURL, TypeError, UnicodeError) as error:
            raise InputError(f"url is {url!r}: give one such as http://127.0.0.1:8000.") from error
        if place.scheme not in ("http", "https") or not host:
            raise InputError(f"url is {url!r}: give one such as http://127.0.0.1:8000.")
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._http = httpx.Client(
            base_url=place,
            headers=headers,
            timeout=timeout,
            limits=httpx.Limits(keepalive_expiry=30.0),
            # Loading the certificates takes longer than stealing a small model; without TLS none is looked at.
            verify=place.scheme == "https",
            # A proxy that the environment names does not reach this machine's loopback interface.
            trust_env=host not in ("localhost", "127.0.0.1", "::1"),
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def ask(
        self, method: str, path: str, *, most: int, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a request until it is answered.

        Args:
            method: GET or POST.
            path: below the URL.
            most: bytes that the response may have.
            body: of the request.
            headers: of the request.

        Raises:
            OracleError: too many attempts failed, the service puts the request off for too long, or the response is too large.
        """
        failures, waited = 0, 0.0
        while True:
            try:
                reply = self._attempt(method, path, most, body, headers)
                reason = reply.sentence() if reply.status in _TRANSIENT else ""
            except httpx.TransportError as error:
                reply, reason = None, f"{type(error).__name__}{f' ({error})' if str(error) else ''}."
            if reply is not None and reply.status not in _TRANSIENT:
                return reply
            pause = min(0.1 * 2**failures, 10.0) * self._jitter.uniform(0.5, 1.0)
            asked = None if reply is None else reply.pause()
            if reply is not None and reply.status == 429:
                pause = max(pause if asked is None else asked, 0.01)
                waited += pause
                if waited > PATIENCE:
                    raise OracleError(f"{self.url} puts a request off for more than {PATIENCE:g} s: {reason}")
            else:
                failures += 1
                if failures > self._retries:
                    raise OracleError(f"{self.url} does not answer after {failures} attempts: {reason}")
                pause = max(pause, min(asked or 0.0, 60.0))
            time.sleep(pause)

    def _attempt(self, method: str, path: str, most: int, body: bytes | None, headers: dict[str, str] | None) -> Reply:
        started, content = time.monotonic(), bytearray()
        with self._http.stream(method, path, content=body, headers=headers) as response:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > most:
                    raise OracleError(f"{self.url} cannot be believed: more than {most:,} bytes came as its answer.")
                if time.monotonic() - started > self._timeout:
                    raise httpx.ReadTimeout(f"the response took more than {self._timeout:g} s")
            return Reply(response.status_code, response.headers, content)
