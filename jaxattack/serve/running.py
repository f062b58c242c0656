"""Running the application: listening, the time that requests and answers may take, and stopping without losing one."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from jaxattack.oracle.remote.wire import JSON, write_json
from jaxattack.serve.app import application, too_many
from jaxattack.serve.settings import Key, Settings
from jaxattack.serve.spending import Spending
from jaxattack.types import InputError, Oracle

_IDLE = 75  # seconds that an idle connection is kept; longer than the client keeps it, so that the client lets go first
_LINGER = 2.0  # seconds in which a refused caller may read why, before the connection is cut


class _Protocol(H11Protocol):
    """HTTP/1.1 in which a request has to arrive and its answer to be taken in time, by so many callers at once.

    What is no HTTP and who is one too many is refused as everything else is.
    """

    def __init__(self, *arguments: Any, seconds: float, most: int, **named: Any):
        super().__init__(*arguments, **named)
        self._seconds, self._most = seconds, most
        self._deadline: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._discarding = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # asyncio does so only where a listener names its protocol; without, each answer waits 40 ms for an acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=0)  # writing pauses wherever something is left to be taken
        if len(self.connections) > self._most:
            self.app = too_many
        self._await_request(True)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking = self.loop.call_later(self._seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_abort()

    def _cancel_abort(self) -> None:
        if self._taking is not None:
            self._taking.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._await_request(False)
        self._cancel_abort()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._discarding:
            super().data_received(data)
            self._await_request(self.conn.their_state in (h11.IDLE, h11.SEND_BODY))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        self._refuse(400, "the request is no HTTP/1.1: send a request line, headers and a body.")

    def _await_request(self, arriving: bool) -> None:
        if arriving and self._deadline is None and not self._discarding:
            self._deadline = self.loop.call_later(self._seconds, self._late)
        elif not arriving and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if (
            self.conn.our_state is not h11.SEND_RESPONSE
        ):  # there the application waits for the body, and times it itself
            self._refuse(408, f"the request has not arrived within {self._seconds:g} s: send it faster.")

    def _refuse(self, status: int, sentence: str) -> None:
        """Say why, and cut the connection once the caller has closed its end: earlier it might lose the sentence."""
        if self.transport.is_closing():
            return
        self._await_request(False)
        self._discarding = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the application waits for the rest of a body
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = write_json({"error": sentence})
            length = str(len(body)).encode()
            headers = [(b"content-type", JSON.encode()), (b"content-length", length), (b"connection", b"close")]
            start = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
            for event in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.abort)


class _Server(uvicorn.Server):
    """A server that returns after SIGTERM and SIGINT instead of raising them again."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise InputError(f"port is {port}: give 1 to 65535, or 0 for a free one.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host} port {port} ({error}): choose another port, or a host of this machine."
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(oracle: Oracle, keys: Sequence[Key], settings: Settings, spending: Spending | None = None) -> _Server:
    config = uvicorn.Config(
        application(oracle, keys=keys, settings=settings, spending=spending),
        http=partial(_Protocol, seconds=settings.seconds, most=settings.connections),  # pyright: ignore[reportArgumentType]
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=settings.grace,
    )
    return _Server(config)


def serve(
    oracle: Oracle,
    host: str,
    port: int,
    *,
    keys: Sequence[Key],
    settings: Settings,
    spending: Path | None,
    ready: Callable[[str], None] | None,
) -> None:
    """As `jaxattack.serve.serve`."""
    with ExitStack() as stack:
        file = None if spending is None else stack.enter_context(Spending(spending, settings.kept))
        server = _server(oracle, keys, settings, file)
        listener = stack.enter_context(_listen(host, port))
        if ready is not None:
            ready(_url(listener))
        server.run(sockets=[listener])


@contextmanager
def serving(oracle: Oracle, *, keys: Sequence[Key], settings: Settings) -> Iterator[str]:
    """As `jaxattack.serve.serving`."""
    server = _server(oracle, keys, settings)
    with _listen("127.0.0.1", 0) as listener:
        url = _url(listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="jaxattack-serve")
        thread.start()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()
