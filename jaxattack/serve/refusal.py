"""A request that is not answered: a status, and one sentence that says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """Ends a request.

    Attributes:
        status: of the response, 400 to 503.
        detail: what a program may read beside the sentence.
        headers: of the response.
    """

    def __init__(
        self,
        status: int,
        sentence: str,
        *,
        detail: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status, self.detail, self.headers = status, dict(detail or {}), dict(headers or {})
