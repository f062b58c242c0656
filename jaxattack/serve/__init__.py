"""A prediction API over any oracle, as services sell them: documented terms, keys with budgets and rates, exact counting.

    GET  /, /describe   the terms: access level, classes and their names, inputs, precision, price, limits; where there are keys, to who
                        has one, or to all with `Settings.open_terms`
    GET  /puzzle        where `Settings.puzzle` asks for work before an answer: a puzzle for the queries of one request, as
                        `jaxattack.oracle.remote.puzzle` has it; for this key, a limited time and one use
    POST /predict       a batch as JSON or .npy, answered as ``Accept`` says: what the access level lets through
    GET  /metrics       requests by status, queries answered, requests replayed, seconds of the model, in Prometheus's text
                        format: those of the key that asks, and the requests of unknown keys (named ""); where there are
                        keys, nobody without one sees how many ask, or who
    GET  /health        answers while the model computes

`jaxattack.oracle.remote.wire` has the format of every body; `jaxattack.oracle.connect` is the client.

    body = io.BytesIO()
    np.save(body, x)
    reply = httpx.post(f"{url}/predict", content=body.getvalue(), headers={"Content-Type": "application/x-npy"})
    probability = np.load(io.BytesIO(reply.content))

Refusals are JSON, {"error": one sentence}:

    400  damaged or malformed, NaN or infinity, huge numbers, wrong shape, a category that is none
    401  unknown key                    402  the budget is less than the batch ("left" says how much)
    404  405  406  415  path, method, Accept or content type    408  the request arrives too slowly
    413  too many records or bytes, refused by what is declared or as soon as it has arrived
    422  an identity used for another request
    428  no proof of work where one is asked for, or one that is not solved, another key's, too old, used, or for fewer queries
    429  too fast ("retry_after" and Retry-After say how long to wait)
    503  the model failed, or too many connections

Counting. A query counts for its key when it has been answered. A request that carries an ``Idempotency-Key`` is
answered once: repeated with the same body, it gets the kept answer and counts no second time, so that this count and the
client's ledger agree whatever the network drops. As many answers are kept for each key as `Settings` says, the newest
always. A ``Batch-Queries`` header announces how many queries follow in the same batch, and the first request is refused
where the budget is less than that. Counts and budgets live as long as the server, or as long as the file of `spending` that
it is given: what is answered is written there before it is sent, and a request that is repeated after a restart is computed anew
and counts no second time.

Work. A puzzle is used up by an answer, and not by a refusal; a request that is answered again from what is kept needs none. What it
costs a caller is time: nobody's answers get worse. 20 bits are a second of one core and nothing to a farm of them.

Several at once. Small requests that wait at the same time are one batch of the model; where a batch fails each is asked alone.
A network may answer a batch with other roundings in the last digits than each of its records alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from jaxattack.release import installation
from jaxattack.serve.settings import Key, Settings
from jaxattack.types import InputError, Oracle

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["Key", "Settings", "application", "missing_packages", "require_packages", "serve", "serving"]

_DEFAULT = Settings()


def application(oracle: Oracle, *, keys: Sequence[Key] = (), settings: Settings = _DEFAULT) -> Starlette:
    """The API as an ASGI application, for a server of one's own.

    Args:
        oracle: what is asked, one batch at a time, in a thread.
        keys: who may ask; anyone where there are none.
        settings: limits for every request.

    Raises:
        InputError: starlette is not installed, two keys are the same, or not one query fits into a request.
    """
    return _extra("app").application(oracle, keys=keys, settings=settings)


def serve(
    oracle: Oracle,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    keys: Sequence[Key] = (),
    settings: Settings = _DEFAULT,
    spending: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what is in flight and return.

    Args:
        oracle: what is asked, one batch at a time, in a thread.
        host: the address to listen on.
        port: the port; 0 for a free one.
        keys: who may ask; anyone where there are none.
        settings: limits for every request.
        spending: a file that keeps what every key has spent, so that budgets hold over restarts; they begin anew without.
        ready: called with the URL once connections are accepted.

    Raises:
        InputError: uvicorn or starlette is not installed, the port is taken, or the file of spending cannot be used.
    """
    _extra("running").serve(oracle, host, port, keys=keys, settings=settings, spending=spending, ready=ready)


def serving(oracle: Oracle, *, keys: Sequence[Key] = (), settings: Settings = _DEFAULT) -> AbstractContextManager[str]:
    """Serve on a free port of the loopback interface while a block runs; gives the URL.

    Args:
        oracle: what is asked, one batch at a time, in a thread.
        keys: who may ask; anyone where there are none.
        settings: limits for every request.

    Raises:
        InputError: uvicorn or starlette is not installed.
    """
    return _extra("running").serving(oracle, keys=keys, settings=settings)


def missing_packages() -> tuple[str, ...]:
    """What serving needs and is not installed."""
    return tuple(package for package in ("starlette", "uvicorn") if find_spec(package) is None)


def require_packages() -> None:
    """Refuse to serve where a package is missing, before anything is trained for it.

    Raises:
        InputError: it names the package and says how to install it.
    """
    if missing := missing_packages():
        raise InputError(f"serving needs {' and '.join(missing)}: {installation('serve')}.")


def _extra(module: str) -> ModuleType:
    require_packages()
    return import_module(f"jaxattack.serve.{module}")
