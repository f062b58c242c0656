"""What a request asks: its media, its queries, and every reason to refuse it before the model is bothered."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from jaxattack.oracle.ledger import allowed
from jaxattack.oracle.remote.npy import npy_header
from jaxattack.oracle.remote.wire import JSON, NPY, Media, read_queries
from jaxattack.serve.refusal import Refusal
from jaxattack.serve.settings import Settings
from jaxattack.types import Access, Bias, InputError

HEADER_ARRIVED = 1100
"""Bytes after which the header of a .npy body is whole, if it is one."""

_MEDIA: dict[str, Media] = {
    JSON: JSON,
    NPY: NPY,
    "application/npy": NPY,
    "application/vnd.numpy": NPY,
    "application/octet-stream": NPY,
}


def most_records(access: Access, settings: Settings) -> int:
    """How many queries a request may hold, so that neither body exceeds the limit by much.

    Raises:
        InputError: not even one.
    """
    widest = 8 * max(math.prod(access.inputs.shape), access.classes + 1)
    if settings.bytes < widest + HEADER_ARRIVED:
        raise InputError(
            f"bytes is {settings.bytes} and one query takes {widest}: give at least {widest + HEADER_ARRIVED}."
        )
    return min(settings.records, (settings.bytes - HEADER_ARRIVED) // widest)


def media_sent(content_type: str, content_encoding: str) -> Media:
    """What a body is.

    Raises:
        Refusal: something else than JSON or .npy, or compressed.
    """
    media = _MEDIA.get(content_type.partition(";")[0].strip().lower())
    if media is None:
        raise Refusal(415, f"the content type is {content_type!r:.80}: send {JSON} or {NPY}.")
    if content_encoding.strip().lower() not in ("", "identity"):
        raise Refusal(415, f"the content encoding is {content_encoding!r:.80}: send the body as it is.")
    return media


def media_wanted(accept: str, sent: Media) -> Media:
    """What the answer is to be: the media most wanted, and what was sent where that is left open.

    Raises:
        Refusal: something else than JSON or .npy.
    """
    choices = []
    for part in accept.lower().split(",") if accept.strip() else ["*/*"]:
        name, *parameters = (field.strip() for field in part.split(";"))
        weight = next((field[2:] for field in parameters if field.startswith("q=")), "1")
        choices.append((name, weight))
    for name, weight in sorted(choices, key=lambda entry: entry[1], reverse=True):  # 1 and 0.9 sort as text
        media = sent if name in ("*/*", "application/*") else _MEDIA.get(name)
        if media is not None and weight.strip("0.") != "":
            return media
    raise Refusal(406, f"the answer is wanted as {accept!r:.80}: accept {JSON} or {NPY}.")


def batch_coming(value: str | None) -> int:
    """How many queries are to come of the batch that a request begins; 0 where it does not say.

    Raises:
        Refusal: no number.
    """
    if value is None:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise Refusal(400, f"Batch-Queries is {value!r:.40}: give the number of queries to come.")
    return int(value)


def check_header(body: bytearray, records: int) -> None:
    """Refuse a .npy body by what it declares, before the rest has arrived.

    Raises:
        Refusal: more records than a request may hold.
        InputError: no .npy.
    """
    shape = npy_header(body).shape
    if shape and shape[0] > records:
        raise Refusal(413, f"the request declares {shape[0]:,} queries: send at most {records:,} at once.")


def queries(
    body: bytearray, media: Media, access: Access, records: int, largest: float
) -> tuple[Float[np.ndarray, "query *feature"], Bias | None]:
    """The queries of a body that the service takes.

    Args:
        body: all of it.
        media: what it is.
        access: the service's terms.
        records: the most queries in a request.
        largest: the largest size of a number.

    Raises:
        InputError: damage, or queries that the terms do not allow.
        Refusal: too many.
    """
    if media == NPY:
        check_header(body, records)
    x, bias = read_queries(body, media)
    if x.ndim == 2 and x.shape[1] == math.prod(access.inputs.shape):
        x = x.reshape(len(x), *access.inputs.shape)
    x = allowed(access, x, bias)
    if not len(x):
        raise InputError("the request holds no queries: send at least one.")
    if len(x) > records:
        raise Refusal(413, f"the request holds {len(x):,} queries: send at most {records:,} at once.")
    if (np.abs(x) > largest).any():
        raise InputError(f"a query holds a number beyond {largest:g}: give smaller ones.")
    categories = access.inputs.categories
    codes = x[:, categories > 0]
    if not (np.isnan(codes) | ((codes == np.floor(codes)) & (codes >= 0) & (codes < categories[categories > 0]))).all():
        raise InputError("a categorical feature is none of its values: give whole numbers from 0 below its categories.")
    return x, bias
