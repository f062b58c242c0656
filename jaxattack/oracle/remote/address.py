"""The address of a service, and the credentials in it: what is sent, and what people and files are shown.

https://user:password@host/models/7?token=abc&version=2    what a person types
https://***@host/models/7?token=***&version=2              what messages, reports, logs and names of folders hold
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_plus

import httpx

from jaxattack.types import InputError

MASK = "***"
"""What is shown in the place of a secret."""

SHORTEST = 4
"""Characters of a secret that is looked for in text; a shorter one is in too many words."""

PLAIN = ("api-version", "deployment", "format", "id", "model", "name", "region", "v", "version")
"""Names in a query whose values are shown, for they tell services apart; any other may be a secret."""


class Address(NamedTuple):
    """A URL, taken apart.

    Attributes:
        base: without credentials, query and fragment.
        display: the URL with its credentials masked.
        user: name and password of HTTP's basic authentication, where the URL has them.
        query: what is sent with every request, as it is written; empty where there is none.
        secrets: what must not be shown.
    """

    base: httpx.URL
    display: str
    user: tuple[str, str] | None
    query: bytes
    secrets: tuple[str, ...]


def read_address(url: str) -> Address:
    """Take a URL apart.

    Raises:
        InputError: it is none of HTTP.
    """
    refusal = InputError(f"url is {mask_url(url)!r}: give one such as http://127.0.0.1:8000.")
    try:
        address = httpx.URL(url)
        host = address.host
        address.raw_host.decode("ascii").encode("idna")  # as the resolver does
    except (httpx.InvalidURL, TypeError, UnicodeError):
        raise refusal from None  # the reason may hold a part of a password
    if address.scheme not in ("http", "https") or not host:
        raise refusal
    user = (address.username, address.password) if address.userinfo else None
    secrets = [] if user is None else [user[1] or user[0], address.userinfo.decode(), _basic(*user)]
    for part in filter(None, address.query.decode("ascii").split("&")):
        name, _, value = part.partition("=")
        if name.lower() not in PLAIN:
            secrets += [value or name, unquote_plus(value or name)]
    base = address.copy_with(userinfo=b"", query=None, fragment=None)
    return Address(base, mask_url(url), user, address.query, tuple(secrets))


def _basic(name: str, password: str) -> str:
    """As the header of HTTP's basic authentication has them, which a service may quote."""
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def mask(text: str, secrets: Iterable[str]) -> str:
    """Text without the secrets in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    return text


def mask_url(text: str) -> str:
    """A URL, or what was meant as one, without its credentials; other text as it is."""
    if "://" not in text:
        return text
    start, mark, query = text.partition("#")[0].partition("?")
    # A password with a slash or a question mark that is not encoded makes no URL, and must not be shown either.
    if "@" in query or not re.fullmatch(r"\w*://(?:[^/@]*@)?[^@]*", start):
        return re.sub(r"//.*@", f"//{MASK}@", text, flags=re.DOTALL).partition("?")[0]
    start = re.sub(r"//[^/@]*@", f"//{MASK}@", start)
    return start + mark + "&".join(map(_mask_field, query.split("&")))


def _mask_field(field: str) -> str:
    name, equals, value = field.partition("=")
    if not field or name.lower() in PLAIN:
        return field
    return f"{name}={MASK}" if equals and value else MASK
