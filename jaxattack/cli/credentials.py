"""The key of a prediction API: where it is taken from, and that nothing shows it.

A key comes from ``--key-file``, from a prompt (``--key-prompt``), from the environment (JAXATTACK_KEY) or, where a person
insists, from ``--key``, which other users of the machine see in its list of processes. What is written or printed has
``***`` in its place, and in the place of credentials in a URL.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxattack.error import InputError

VARIABLE = "JAXATTACK_KEY"
LONGEST = 4096
"""Bytes of a file that holds a key."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Who asks, for a prediction API that wants a key; without an option, the environment variable JAXATTACK_KEY.

    Attributes:
        key: the key. Others on this machine see it while the command runs: better use one of the next two.
        key_file: a file that holds it.
        key_prompt: ask for it on the terminal.

    Raises:
        InputError: more than one of them.
    """

    key: str | None = field(default=None, repr=False)
    key_file: Path | None = None
    key_prompt: bool = False

    def __post_init__(self) -> None:
        if sum((self.key is not None, self.key_file is not None, self.key_prompt)) > 1:
            raise InputError("the key is given twice: choose one of --key, --key-file and --key-prompt.")

    def read(self, *, service: bool = True) -> str | None:
        """The key; None where there is none.

        Args:
            service: whether a prediction API is asked; nothing else wants a key.

        Raises:
            InputError: a file that holds none, no terminal to ask on, or an option where nobody wants a key.
        """
        if not service:
            typed = {"key": self.key is not None, "key-file": self.key_file is not None, "key-prompt": self.key_prompt}
            if name := next((name for name, given in typed.items() if given), None):
                raise InputError(f"{name} is given and no prediction API is asked, which wants one: leave {name} out.")
            return None
        if self.key_file is not None:
            return _read_file(self.key_file)
        if self.key_prompt:
            if not sys.stdin.isatty():
                raise InputError(
                    f"--key-prompt needs a terminal: use --key-file, or the environment variable {VARIABLE}."
                )
            return getpass.getpass("Key: ").strip() or None
        return self.key if self.key is not None else os.environ.get(VARIABLE) or None


def _read_file(path: Path) -> str:
    try:
        with open(path, "rb") as file:  # a pipe is fine: a password manager may write into one
            text = file.read(LONGEST + 1).decode().strip()
    except OSError as error:
        raise InputError(
            f"key-file is {path} and cannot be read ({error.strerror}): give a file with the key."
        ) from error
    except UnicodeError:
        text = ""
    if not text or len(text) > LONGEST or len(text.split()) > 1:
        raise InputError(f"key-file is {path} and holds no key: give a file with the key and nothing else.")
    return text


def shown_command(arguments: Sequence[str]) -> str:
    """A command as it may be shown: what was typed, without its secrets."""
    from jaxattack.oracle.remote.address import MASK, mask, mask_url

    secrets = known_secrets(arguments)
    words = [mask_url(word) for word in arguments]
    words = [MASK if before == "--key" else word for before, word in zip(("", *words), words, strict=False)]
    words = [f"--key={MASK}" if word.startswith("--key=") else mask(word, secrets) for word in words]
    return shlex.join(["jaxattack", *words])


def shown_sentence(text: str, arguments: Sequence[str]) -> str:
    """A sentence about a command, without its secrets; also those in what was meant as a URL."""
    secrets = known_secrets(arguments)
    if not secrets and not any("://" in word for word in arguments):
        return text  # as most are, and what masks them imports JAX
    from jaxattack.oracle.remote.address import mask, mask_url

    for word in arguments:
        text = text.replace(word, mask_url(word)) if "://" in word else text
    return mask(text, secrets)


def holds_secret(text: str) -> bool:
    """Whether a text is a URL with credentials in it."""
    if "://" not in text:
        return False
    from jaxattack.oracle.remote.address import MASK, mask_url, read_address

    with contextlib.suppress(InputError):
        return bool(read_address(text).secrets)
    return MASK in mask_url(text)


def known_secrets(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The secrets that a command line and its environment hold."""
    typed = [word for before, word in zip(("", *arguments), arguments, strict=False) if before == "--key"]
    typed += [word.removeprefix("--key=") for word in arguments if word.startswith("--key=")]
    for word in arguments:
        if "://" in word:
            from jaxattack.oracle.remote.address import read_address

            with contextlib.suppress(InputError):
                typed += read_address(word).secrets
    return tuple(filter(None, (*typed, environment.get(VARIABLE, ""))))


def without_secrets(value: Any, secrets: Iterable[str]) -> Any:
    """Plain values with each secret masked, wherever in a text it is."""
    from jaxattack.oracle.remote.address import mask

    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, Mapping):
        return {mask(key, secrets): without_secrets(part, secrets) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(part, secrets) for part in value]
    return value
