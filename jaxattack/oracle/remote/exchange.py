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

from jaxattack.oracle.remote.address import mask, read_address
from jaxattack.oracle.remote.wire import DAMAGE, read_json
from jaxattack.types import InputError, OracleError

PATIENCE = 600.0
"""Seconds that one request may be put off by a service's rate."""

_TRANSIENT = (408, 429, 502, 503, 504)
_UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class Reply(NamedTuple):
    """A response, all of it.

    Attributes:
        status: of HTTP.
        headers: of HTTP.
        body: as it came.
        secrets: what the request was sent with, and a service must not make us show.
        lost: whether an earlier attempt may have been acted on whose answer did not come.
    """

    status: int
    headers: httpx.Headers
    body: bytearray
    secrets: tuple[str, ...] = ()
    lost: bool = False

    @property
    def asked(self) -> bool:
        """Whether what was asked may have been answered, in this attempt or an earlier one."""
        return self.lost or self.status == 200 or self.status >= 500

    def detail(self) -> dict[str, Any]:
        """What a refusal says; nothing where it is no JSON."""
        try:
            return read_json(self.body)
        except DAMAGE:
            return {}

    def sentence(self) -> str:
        """What a refusal says to people, on one line and free of control characters."""
        sentence = self.detail().get("error")
        sentence = mask(sentence, self.secrets) if isinstance(sentence, str) else ""
        return "".join(letter if letter.isprintable() else " " for letter in sentence[:400]) or f"status {self.status}."

    def media(self) -> str:
        """The content type, without parameters."""
        return mask(self.headers.get("content-type", ""), self.secrets).partition(";")[0].strip().lower()

    def pause(self) -> float | None:
        """Seconds that a refusal asks to wait; the exact ones of its body rather than the header's whole ones."""
        for text in (self.detail().get("retry_after"), self.headers.get("retry-after")):
            try:
                seconds = float(text)  # pyright: ignore[reportArgumentType]
            except (TypeError, ValueError, OverflowError):
                continue
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
        return None


class NoReply(OracleError):
    """A request that was not answered, or not with what can be read.

    Attributes:
        sent: whether its body may have arrived and been acted on.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Exchange:
    """Connections to one service, kept open and made anew when they drop.

    Attributes:
        url: of the service, its credentials masked.
    """

    def __init__(self, url: str, *, key: str | None, timeout: float, retries: int):
        """Open nothing yet.

        Args:
            url: of the service.
            key: sent as a bearer token.
            timeout: seconds that an attempt may go without progress, and that the body of a response may take in all.
            retries: how many more attempts follow one that failed.

        Raises:
            InputError: the URL is none, or holds a user beside the key.
        """
        address = read_address(url)
        if key and address.user:
            raise InputError(f"a key is given and {address.display} holds a user: give one of them.")
        self.url, self._query = address.display, address.query
        self._secrets = (*([key] if key else []), *address.secrets)
        self._timeout, self._retries, self._jitter = timeout, retries, random.Random()
        self._path = address.base.raw_path.rstrip(b"/")
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._http = httpx.Client(
            base_url=address.base,
            auth=address.user,
            headers=headers,
            timeout=timeout,
            limits=httpx.Limits(keepalive_expiry=30.0),
            # Loading the certificates takes longer than stealing a small model; without TLS none is looked at.
            verify=address.base.scheme == "https",
            # A proxy that the environment names does not reach this machine's loopback interface.
            trust_env=address.base.host not in ("localhost", "127.0.0.1", "::1"),
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
            NoReply: too many attempts failed, the service puts the request off for too long, or the response is too large.
        """
        failures, waited, sent = 0, 0.0, False
        while True:
            try:
                reply = self._attempt(method, path, most, body, headers)
                reason = reply.sentence() if reply.status in _TRANSIENT else ""
                sent |= body is not None and reply.status >= 500
            except httpx.TransportError as error:
                message = mask(str(error), self._secrets)
                sent |= body is not None and not isinstance(error, _UNREACHED)
                reply, reason = None, f"{type(error).__name__}{f' ({message})' if message else ''}."
            if reply is not None and reply.status not in _TRANSIENT:
                return reply._replace(lost=sent)
            pause = min(0.1 * 2**failures, 10.0) * self._jitter.uniform(0.5, 1.0)
            delay = None if reply is None else reply.pause()
            if reply is not None and reply.status == 429:
                pause = max(pause if delay is None else delay, 0.01)
                waited += pause
                if waited > PATIENCE:
                    raise NoReply(f"{self.url} puts a request off for more than {PATIENCE:g} s: {reason}", sent=sent)
            else:
                failures += 1
                if failures > self._retries:
                    raise NoReply(f"{self.url} does not answer after {failures} attempts: {reason}", sent=sent)
                pause = max(pause, min(delay or 0.0, 60.0))
            time.sleep(pause)

    def _attempt(self, method: str, path: str, most: int, body: bytes | None, headers: dict[str, str] | None) -> Reply:
        begin, content = time.monotonic(), bytearray()
        # As a part of the URL, the query would be in the log of httpx.
        target = {"target": self._path + path.encode() + b"?" + self._query} if self._query else None
        with self._http.stream(method, path, content=body, headers=headers, extensions=target) as response:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > most:
                    raise NoReply(
                        f"{self.url} cannot be believed: more than {most:,} bytes came as its answer.",
                        sent=body is not None,
                    )
                if time.monotonic() - begin > self._timeout:
                    raise httpx.ReadTimeout(f"the response took more than {self._timeout:g} s")
            return Reply(response.status_code, response.headers, content, self._secrets)
