"""The options of a command in a TOML file: read for ``--config``, and written beside every report.

A file names options as the command line does, without the dashes, at its top or in a table with the name of the command. It
may have the tables of several commands, of which one must be the command's own. An argument without a name, such as VICTIM,
is named in lower case. Whatever is typed beside ``--config`` stands in the place of what the file says of the same option.

Paths are relative to where the command runs, as on the command line. A secret, a key or a URL with one in it, is neither read
from a file nor written to one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import tomli_w
from cyclopts import Argument, ArgumentCollection, Parameter, Token

from jaxattack.cli.credentials import holds_secret
from jaxattack.disk import write_atomically
from jaxattack.error import InputError
from jaxattack.release import release

NAME = "config.toml"
LARGEST = 1 << 18
"""Bytes of a file of options."""

DOTS = 100
"""Dots in a line of it: Python's reader takes time and memory by the square of the parts of a dotted key."""

_SECRET = "key"
_OPTION = "--config"
_REMEDY = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A command with the value of each option, from the command line, a file or its default.

    Attributes:
        command: its name.
        options: by name; those that have no value are left out, and so are secrets.
        secrets: the names of options that are left out for their secrets.
    """

    command: str
    options: Mapping[str, Any]
    secrets: tuple[str, ...] = ()


ConfigOption = Annotated[
    Configuration | None,
    Parameter(
        name=_OPTION,
        accepts_keys=False,
        n_tokens=1,
        help="a TOML file of options, which those typed here win over; each run leaves its own in its folder, config.toml.",
    ),
]
"""A file on the command line; what a command gets in its place is its own configuration (`read_configuration`)."""


def read_configuration(known: Sequence[str], command: str, arguments: ArgumentCollection) -> None:
    """Give a command the options of its file that were not typed, and all its options as a `Configuration`.

    Args:
        known: the names of all commands.
        command: its name.
        arguments: of the command, with what was typed.

    Raises:
        InputError: a file that cannot be read, or that says something which the command has no use for.
    """
    config = arguments.get(_OPTION, None)
    if config is None:
        return
    options = _options_of(arguments)
    if config.tokens:
        path = Path(config.tokens[-1].value)
        for key, value in _table(path, command, known).items():
            _add(options, path, command, key, value)
    values = {name: _value(argument) for name, argument in options.items()}
    secrets = tuple(name for name, value in values.items() if _is_secret(name, value))
    plain = {name: value for name, value in values.items() if value is not None and name not in secrets}
    config.tokens[:] = [
        Token(implicit_value=Configuration(command=command, options=plain, secrets=secrets), keyword=_OPTION)
    ]


def write_configuration(folder: Path, configuration: Configuration) -> Path:
    """Write a command's options beside what it made; the tables of other commands that made something there stay.

    Raises:
        InputError: the disk is full, or the folder cannot be written to.
    """
    path = folder / NAME
    lines = [
        f"# jaxattack {release('jaxattack')}. Run it again: jaxattack {configuration.command} --config {NAME}",
        "# Paths are relative to where that is typed.",
        *(f"# {name} held a secret and is left out." for name in configuration.secrets),
    ]
    tables = {**_earlier(path), configuration.command: dict(configuration.options)}
    text = "\n".join([*lines, "", tomli_w.dumps(tables)])
    write_atomically(path, lambda file: file.write(text.encode(errors="replace")))
    return path


def _earlier(path: Path) -> dict[str, Any]:
    """The tables of a file in the place of which another is written; none where it cannot be read or written again."""
    try:
        tables = {name: table for name, table in _document(path).items() if isinstance(table, dict)}
        tomli_w.dumps(tables)
    except (InputError, ValueError, RecursionError):  # the last two of numbers and brackets that cannot be printed
        return {}
    return tables


def _options_of(arguments: Iterable[Argument]) -> dict[str, Argument]:
    """The options of a command by name, but for ``--config`` itself; where two share a name, the one that typing it sets."""
    options: dict[str, Argument] = {}
    for argument in arguments:
        if argument.parse and not argument.children and argument.name != _OPTION:
            positional = argument.is_positional_only() or argument.is_var_positional()
            name = argument.field_info.name if positional else argument.name
            options.setdefault(name.lstrip("-").replace("_", "-"), argument)
    return options


def _value(argument: Argument) -> Any:
    """What an option is, in values that TOML knows; None where it has no value."""
    value = argument.convert() if argument.tokens else argument.field_info.default
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return None if value is argument.field_info.empty else _plain(value)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _is_secret(name: str, value: Any) -> bool:
    words = value if isinstance(value, list) else [value]
    return value is not None and (
        name == _SECRET or any(isinstance(word, str) and holds_secret(word) for word in words)
    )


def _table(path: Path, command: str, known: Sequence[str]) -> dict[str, Any]:
    """What a file says of a command.

    Raises:
        InputError: it has tables, and not this command's, or one of no command.
    """
    document = _document(path)
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    for name in tables:
        if name not in known:
            raise InputError(
                f"{path} has a table {name!r:.60}, and there is no such command: name it {command}, or another of the list "
                "that `jaxattack --help` prints."
            )
    if tables and command not in tables:
        raise InputError(
            f"{path} has options of {' and '.join(tables)}, and the command is {command}: put its own in a table [{command}]."
        )
    top = {name: value for name, value in document.items() if name not in tables}
    options = {**top, **tables.get(command, {})}
    spellings = {name.replace("_", "-"): value for name, value in options.items()}
    if len(spellings) < len(options):
        raise InputError(f"{path} has an option twice, with _ and with -: write it once, with -.")
    return spellings


def _document(path: Path) -> dict[str, Any]:
    """The values of a TOML file of unknown origin.

    Raises:
        InputError: it cannot be read, is none, or too large.
    """
    why = ""
    try:
        with open(path, "rb") as file:  # a pipe is fine: a script may write into one
            octets = file.read(LARGEST + 1)
        if len(octets) > LARGEST:
            why = f"it has more than {LARGEST:,} bytes"
        elif any(line.count(b".") > DOTS for line in octets.split(b"\n")):
            why = f"it has a line with more than {DOTS} dots"
        else:
            return tomllib.loads(octets.decode("utf-8-sig"))
    except OSError as error:
        why = error.strerror or "it is no file"
    except UnicodeDecodeError:
        why = "it is no text in UTF-8"
    except tomllib.TOMLDecodeError as error:
        why = f"{error!s:.200}".rstrip(".")
    except RecursionError:
        why = "its brackets are nested too deeply"
    except ValueError:  # an integer of thousands of digits, or a path with a NUL
        why = "it holds a number or a name that is too long"
    raise InputError(f"config is {path} and cannot be read ({why}): give a TOML file, as models = 64 on a line.")


def _add(options: Mapping[str, Argument], path: Path, command: str, key: str, value: Any) -> None:
    """Give an option what a file says of it, where nothing was typed.

    Raises:
        InputError: there is no such option, it is a secret, or it takes something else.
    """
    argument = options.get(key)
    if argument is None:
        near = get_close_matches(key, options, n=1, cutoff=0.75)
        hint = f"write {near[0]}" if near else f"`jaxattack {command} --help` lists them"
        raise InputError(f"{path} has {key!r:.60}, and {command} has no such option: {hint}.")
    if _is_secret(key, value):
        raise InputError(
            f"{path} holds a secret, {key}: leave it out, and give it on the command line or by --key-file."
        )
    _check(argument, path, key, value)
    if argument.tokens:
        return
    if value == []:
        argument.append(Token(keyword=key, source=str(path), implicit_value=()))
    for place, part in enumerate(value if isinstance(value, list) else [value]):
        argument.append(Token(keyword=key, value=str(part), source=str(path), index=place))


def _check(argument: Argument, path: Path, key: str, value: Any) -> None:
    """Refuse a value of another type than an option's.

    Raises:
        InputError: it names the file, the option and the value.
    """
    kinds, several = _scalars(argument.hint), _takes_several(argument.hint)
    due = next((_REMEDY[kind] for kind in (bool, float, int) if kind in kinds), _REMEDY[str])
    if isinstance(value, list) and not several:
        raise InputError(f"{path}: {key} is a list: give one value, {due}.")
    for part in value if isinstance(value, list) else [value]:
        if not _fits(part, kinds):
            raise InputError(f"{path}: {key} is {_in_words(part)}: give {due}.")


def _in_words(value: Any) -> str:
    """A value of a file in a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and not _prints(value):
        return f"a number of {value.bit_length():,} bits"
    return {dict: "a table", list: "a list"}.get(type(value)) or f"{value!r:.60}"


def _prints(value: int) -> bool:
    """Whether a whole number is within TOML's own range; Python's reader is not, and cannot print all that it reads."""
    return abs(value) < 2**63


def _fits(value: Any, kinds: set[type]) -> bool:
    if isinstance(value, bool) or bool in kinds:
        return isinstance(value, bool) and bool in kinds
    if isinstance(value, int):
        return _prints(value)
    return isinstance(value, float if float in kinds else str) and (
        isinstance(value, float) or not kinds & {int, float}
    )


def _takes_several(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(get_origin(part) is tuple for part in get_args(hint))


def _scalars(hint: Any) -> set[type]:
    """The types of one value of an option."""
    if get_origin(hint) is Literal:
        return {type(choice) for choice in get_args(hint)}
    parts = [part for part in get_args(hint) if part is not Ellipsis]
    return set().union(*map(_scalars, parts)) if parts else {hint}
