"""Bodies of requests and replies, and what a service counts."""

from __future__ import annotations

import io

import httpx
import numpy as np

NPY = {"Content-Type": "application/x-npy"}


def npy(*arrays) -> bytes:
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array)
    return file.getvalue()


def arrays(body: bytes, count: int) -> list[np.ndarray]:
    file = io.BytesIO(body)
    return [np.load(file) for _ in range(count)]


def refused(reply: httpx.Response, status: int) -> dict:
    """The detail of a refusal, which is one sentence."""
    assert reply.status_code == status, reply.text
    detail = reply.json()
    assert detail["error"].endswith(".")
    assert "\n" not in detail["error"]
    return detail


def count(url: str, metric: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith(metric)), 0)
