"""How options are written: several words or numbers of one option, and whole numbers where they are due."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, get_args

from cyclopts import Argument, Parameter, Token

from jaxattack.error import InputError


def _split(_: Any, tokens: Sequence[Token]) -> tuple[str, ...]:
    words = tuple(word for token in tokens for word in token.value.split(",") if word.strip())
    if tokens and not words:
        raise ValueError(f"{tokens[0].value!r} names nothing: name something, or leave the option out.")
    return words


Words = Annotated[tuple[str, ...], Parameter(consume_multiple=True, converter=_split)]
"""Several words of one option: ``--attacks a b``, ``--attacks a,b`` or ``--attacks a --attacks b``."""


Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]
"""Several names of one option, in which commas and spaces may be: ``--names LiRA "loss, one model"``."""


def _integer(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise InputError(f"{word!r} is no whole number: give one, as 4.") from None


def _split_numbers(_: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    return tuple(_integer(word) for word in _split(_, tokens))


Numbers = Annotated[tuple[int, ...], Parameter(consume_multiple=True, converter=_split_numbers)]
"""Several whole numbers of one option: ``--poison 1 4``, ``--poison 1,4`` or ``--poison 1 --poison 4``."""


def require_words(app: Any, commands: Any, arguments: Iterable[Argument]) -> None:  # noqa: ARG001 (as cyclopts calls it)
    """Refuse an option that takes words and stands without one, as where a script's variable is empty.

    Raises:
        InputError: it names the option.
    """
    for argument in arguments:
        if any(
            isinstance(token.implicit_value, tuple | list) and not token.implicit_value for token in argument.tokens
        ):
            name = argument.name.lstrip("-")
            raise InputError(f"{name} is given without a word: give one, or leave {name} out.")


def require_whole_numbers(app: Any, commands: Any, arguments: Iterable[Argument]) -> None:  # noqa: ARG001 (as cyclopts calls it)
    """Refuse a number with a point where a whole number is due, which would be rounded.

    Raises:
        InputError: it names the option and the value.
    """
    for argument in arguments:
        kinds = {argument.hint, *get_args(argument.hint)}
        if int not in kinds or float in kinds:
            continue
        for token in argument.tokens:
            if re.fullmatch(r"[-+]?\d*\.\d*(e[-+]?\d+)?", token.value.lower()):
                raise InputError(f"{argument.name.lstrip('-')} is {token.value}: give a whole number.")
