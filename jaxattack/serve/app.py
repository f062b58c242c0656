"""The routes of the prediction API, and what happens to one request.

Everything that takes time (reading numbers, asking the oracle, writing answers) happens in one worker thread, for all
requests together that wait when it is free (`batching`, `answering`): oracles need not be made for several threads, budgets
are exact, and the event loop stays free for /health and for the next body to arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections import Counter
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jaxattack.oracle.remote.puzzle import PROOF
from jaxattack.oracle.remote.wire import (
    BATCH,
    IDENTITY,
    JSON,
    NPY,
    Media,
    write_access,
    write_json,
)
from jaxattack.serve import reading
from jaxattack.serve.account import Account
from jaxattack.serve.answering import Answering
from jaxattack.serve.batching import Batching, Prediction
from jaxattack.serve.puzzle import Puzzles
from jaxattack.serve.refusal import Refusal
from jaxattack.serve.settings import Key, Settings
from jaxattack.serve.spending import Spending
from jaxattack.types import InputError, Oracle

_ACCOUNT = "jaxattack.account"
ANYONE = "anyone"
"""Who asks, where there are no keys."""


class Service:
    """An oracle, those who may ask it, and what they have asked."""

    def __init__(self, oracle: Oracle, keys: Sequence[Key], settings: Settings, spending: Spending | None):
        for field in ("name", "secret"):
            if len({getattr(key, field) for key in keys}) < len(keys):
                raise InputError(f"two keys have the same {field}: give each its own.")
        self._settings = settings
        self._records = reading.most_records(oracle.access, settings)
        self._batching = Batching(
            Answering(oracle, self._records, settings, None if spending is None else spending.add),
            most=settings.connections,
            patience=settings.patience,
        )
        spent, paid = ({}, {}) if spending is None else (spending.total, spending.receipts)

        def account(name: str, key: Key | None = None) -> Account:
            return Account(name, settings, key, spent=spent.get(name, 0), paid=paid.get(name, ()))

        self._accounts = {key.secret.encode(): account(key.name, key) for key in keys}
        self._anyone = None if keys else account(ANYONE)
        self._requests: Counter[tuple[str, int]] = Counter()
        limits = {"records": self._records, "bytes": settings.bytes}
        self._puzzles = Puzzles(settings.puzzle, settings.puzzle_seconds) if settings.puzzle else None
        puzzle = {"puzzle": {"bits": settings.puzzle, "seconds": settings.puzzle_seconds}} if settings.puzzle else {}
        classes = list(getattr(oracle, "names", ()))
        terms = {"access": write_access(oracle.access), "price": settings.price, "limits": limits}
        self._terms = write_json({**terms, **({"names": classes} if classes else {}), **puzzle})

    async def describe(self, request: Request) -> Response:
        """The terms."""
        if not self._settings.open_terms:
            request.scope[_ACCOUNT] = self._account(request.headers.get("authorization", "")).name
        return Response(self._terms, media_type=JSON)

    async def puzzle(self, request: Request) -> Response:
        """A puzzle for as many queries as are announced."""
        account = self._account(request.headers.get("authorization", ""))
        request.scope[_ACCOUNT] = account.name
        if self._puzzles is None:
            raise Refusal(404, "this service asks for no work: ask POST /predict.")
        queries = reading.batch_coming(request.headers.get(BATCH))
        if not 1 <= queries <= self._records:
            raise Refusal(
                400, f"{BATCH} is {queries:,}: give the 1 to {self._records:,} queries of the request to come."
            )
        puzzle = self._puzzles.issue(account.name, queries)
        return Response(write_json(puzzle._asdict()), media_type=JSON, headers={"Cache-Control": "no-store"})

    async def health(self, _: Request) -> Response:
        """That the server is there."""
        return Response(write_json({"status": "ok"}), media_type=JSON)

    async def metrics(self, request: Request) -> Response:
        """Counts in Prometheus's text format, of the one who asks."""
        account = self._account(request.headers.get("authorization", ""))
        lines = ["# TYPE jaxattack_requests_total counter"]
        lines += [
            f'jaxattack_requests_total{{key="{name}",status="{status}"}} {count}'
            for (name, status), count in sorted(self._requests.items())
            if name in (account.name, "")
        ]
        for metric, field in (
            ("jaxattack_queries_answered_total", "queries"),
            ("jaxattack_requests_replayed_total", "replayed"),
            ("jaxattack_model_seconds_total", "seconds"),
        ):
            lines += [f"# TYPE {metric} counter", f'{metric}{{key="{account.name}"}} {getattr(account, field)}']
        return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    async def predict(self, request: Request) -> Response:
        """Answer a batch."""
        headers = request.headers
        account = self._account(headers.get("authorization", ""))
        request.scope[_ACCOUNT] = account.name
        sent = reading.media_sent(headers.get("content-type", ""), headers.get("content-encoding", ""))
        reply_media = reading.media_wanted(headers.get("accept", ""), sent)
        coming = reading.batch_coming(headers.get(BATCH))
        identity = headers.get(IDENTITY)
        if identity is not None and not 1 <= len(identity) <= 128:
            raise Refusal(400, f"{IDENTITY} has {len(identity)} characters: give 1 to 128.")
        try:
            body = await self._receive(request, sent)
        except InputError as error:
            raise Refusal(400, str(error)) from error

        async def answer(receipt: str = "") -> bytes:
            if self._puzzles is None:
                return await self._batching(Prediction(account, body, sent, reply_media, coming, receipt=receipt))
            with self._puzzles.spend(account.name, headers.get(PROOF)) as worked:
                return await self._batching(Prediction(account, body, sent, reply_media, coming, worked, receipt))

        if identity is None:
            return Response(await answer(), media_type=reply_media)
        digest = hashlib.sha256(body).digest() + f"{sent} {reply_media}".encode()
        receipt = hashlib.blake2b(digest + identity.encode(), digest_size=16).hexdigest()
        reply, replayed = await account.cache.once(identity, digest, partial(answer, receipt))
        replayed |= receipt in account.paid
        account.replayed += replayed
        return Response(reply, media_type=reply_media, headers={"Idempotent-Replayed": "true"} if replayed else None)

    def _account(self, authorization: str) -> Account:
        if self._anyone is not None:
            return self._anyone
        scheme, _, secret = authorization.partition(" ")
        token = secret.strip().encode()
        for key, account in self._accounts.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(key, token):
                return account
        raise Refusal(
            401, "the key is unknown: send Authorization: Bearer and your key.", headers={"WWW-Authenticate": "Bearer"}
        )

    async def _receive(self, request: Request, media: Media) -> bytearray:
        limit, body, looked = self._settings.bytes, bytearray(), media != NPY
        too_large = Refusal(413, f"the body is larger than {limit:,} bytes: send smaller batches.")
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise too_large
        try:
            async with asyncio.timeout(self._settings.seconds):
                async with contextlib.aclosing(request.stream()) as stream:
                    async for part in stream:
                        body += part
                        if len(body) > limit:
                            raise too_large
                        if not looked and len(body) >= reading.HEADER_ARRIVED:
                            reading.check_header(body, self._records)
                            looked = True
        except TimeoutError as error:
            sentence = f"the body has not arrived within {self._settings.seconds:g} s: send it faster."
            raise Refusal(408, sentence, headers={"Connection": "close"}) from error
        except ClientDisconnect as error:
            raise Refusal(400, "the connection was closed before the body had arrived.") from error
        return body

    def count(self, app: ASGIApp) -> ASGIApp:
        """The application, its responses counted by key and status."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._requests[scope.get(_ACCOUNT, ""), message["status"]] += 1
                await send(message)

            await app(scope, receive, note)

        return counted


async def _refuse(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    body = write_json({"error": str(refusal), **refusal.detail})
    return Response(body, refusal.status, refusal.headers, JSON)


async def _refuse_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = HTTPStatus(error.status_code).phrase.lower()
    sentence = f"{reason}: ask GET /describe, /health or /metrics, or POST /predict."
    return Response(write_json({"error": sentence}), error.status_code, error.headers, JSON)


async def too_many(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of a connection beyond the limit."""
    busy = Refusal(503, "there are too many connections: ask again later.", headers={"Connection": "close"})
    await (await _refuse(Request(scope), busy))(scope, receive, send)


def application(
    oracle: Oracle, *, keys: Sequence[Key], settings: Settings, spending: Spending | None = None
) -> Starlette:
    """As `jaxattack.serve.application`."""
    service = Service(oracle, keys, settings, spending)
    routes = [
        Route("/", service.describe),
        Route("/describe", service.describe),
        Route("/puzzle", service.puzzle),
        Route("/health", service.health),
        Route("/metrics", service.metrics),
        Route("/predict", service.predict, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(service.count)],
        exception_handlers={Refusal: _refuse, HTTPException: _refuse_route},
    )
    app.router.redirect_slashes = False
    return app
