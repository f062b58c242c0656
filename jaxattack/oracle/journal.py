"""Answers that are on disk before they are returned, so that an attack that was killed does not pay for them again.

    folder/answers.journal      the victim and its terms, then one entry a call, in order; appended to and nothing else

An entry holds a digest of the batch (and its bias), what the call added to the ledger, and the answer:

    b"JATK", length (8 bytes), CRC-32 of those twelve | length bytes: a line of JSON, then each array as .npy | BLAKE2b-128

It is written from the start to the end and flushed to the disk. A kill can cut the last entry short; it is dropped when the folder is
opened again, since its answer was returned to nobody. Damage anywhere else is refused. Nothing is ever pickled.

On opening, the entries are checked and the calls of the attack are answered from them, in order and without asking,
until they end. The same attack with the same seed asks the same batches; another batch is refused, for the folder then
belongs to another attack. While entries are replayed the ledger grows by what their calls cost when they were asked, so
that an attack that was killed reports what it cost in all, and a second run of a finished one costs the same again on
paper and nothing in fact. `Journalled.paid` is what all of the folder has cost, replayed or not. `Journalled.recheck`
asks some of the kept questions again, for a victim that may have been replaced. What that cost is kept as well, and what a
call cost that failed: a service is paid for the part of a batch that it has answered, and for answers that are none.

A check belongs within, so that only answers that can be believed are kept; it then finds what is odd about the answers to
this process, and a second one outside, which asks nothing again, sees those of earlier processes too. A budget belongs
outside (`jaxattack.oracle.quota`). A journal belongs to one process at a time, and to one attack: it is not for several
threads.
"""

from __future__ import annotations

import io
import json
import os
import weakref
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Shaped

from jaxattack.disk import decode_json, make_folder
from jaxattack.npz import DAMAGE, UnreadableError, printable, read_next
from jaxattack.oracle.frames import HEAD, SEAL, damaged, frame, lock_file, open_reading, read_frames
from jaxattack.oracle.identity import content, defences, terms
from jaxattack.oracle.ledger import OracleWrapper, allowed, digest, nothing
from jaxattack.oracle.recheck import is_another, spread
from jaxattack.types import Access, Answer, Bias, InputError, Ledger, Oracle, check_arguments

FORMAT = 2


@check_arguments("folder")
def journalled(oracle: Oracle, folder: str | Path, *, identity: Mapping[str, Any] | None = None) -> Journalled:
    """Keep every answer in a folder, and answer from it what was asked before.

    Args:
        oracle: what is asked.
        folder: made where missing; it may hold other files.
        identity: plain JSON values that tell this victim and attack from others (a URL, a seed). The victim's terms, its
            defences and, where it is known, what answers are always told apart, as `jaxattack.oracle.identity` says.

    Raises:
        InputError: the folder holds the answers of another victim, is damaged, in use by another process, or cannot be
            written to.
    """
    folder = Path(folder)
    return Journalled(oracle, Path(folder), identity or {})


class _Entry(NamedTuple):
    """A call that was answered: where it is in the file, and what it says beside the answer."""

    at: int
    digest: bytes
    cost: Ledger


class _Again(NamedTuple):
    """Questions that were asked again: themselves, the kept answers and the present ones."""

    x: np.ndarray
    bias: Bias | None
    before: Answer
    now: Answer


class Journalled(OracleWrapper):
    """An oracle whose answers are on disk. The file is closed with it: by `close`, as a context, or when forgotten."""

    def __init__(self, oracle: Oracle, folder: Path, identity: Mapping[str, Any]):
        super().__init__(oracle)
        make_folder(folder)
        self._path = folder / "answers.journal"
        self._file = lock_file(self._path)
        self.close = weakref.finalize(self, self._file.close)
        self._end, self._next = 0, 0
        self._entries: list[_Entry] = []
        self._attack_ledger, self._paid, self._oracle_ledger = Ledger(), Ledger(), oracle.ledger
        self._before = Ledger()  # what calls of earlier processes cost that have no answer here: asked again, or failed
        self._failures: list[
            tuple[int, int]
        ] = []  # the answers before a failure of an earlier process, and its queries
        self._rechecked = self._asked = 0
        self._rows: dict[int, np.ndarray] = {}
        self._again: list[_Again] = []
        try:
            self._open(_plain(self, identity))
        except BaseException:
            self.close()
            raise

    @property
    def ledger(self) -> Ledger:
        """What this attack has been answered so far, at what it cost when it was asked."""
        return self._attack_ledger

    @property
    def asked_here(self) -> int:
        """Queries of this attack, replayed or asked, beside those that were asked again."""
        return self._asked

    @property
    def paid(self) -> Ledger:
        """What all calls in the folder cost, those not yet replayed too."""
        return self._paid

    @property
    def rechecked(self) -> int:
        """Queries that earlier processes asked again."""
        return self._rechecked

    @property
    def failures(self) -> int:
        """Queries that calls of earlier processes paid for without an answer, as far as their answers are replayed.

        They come in their place among the answers, so that a budget has as much left for each call as it had before.
        """
        return sum(queries for place, queries in self._failures if place <= self._next)

    def due(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> int:
        """What the kept answer cost, where it is the next; all of another batch, which nobody has answered."""
        if self._next == len(self._entries):
            return super().due(x, bias)
        entry = self._entries[self._next]
        return entry.cost.queries if digest(np.asarray(x), bias) == entry.digest else len(x)

    def recheck(self, questions: int) -> None:
        """Ask so many of the kept questions again while they are replayed, to see that the victim is still the same.

        They are paid for, and where their answers differ as many are asked once more (`jaxattack.oracle.recheck`). The
        last kept answer is returned after they have been compared.
        """
        self._rows = spread([entry.cost.queries for entry in self._entries], questions)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        """Answer a batch, as `jaxattack.types.Oracle` says.

        Raises:
            InputError: another batch than this call asked before, a victim that answers otherwise than it did, or a full
                disk: the answer is then lost.
        """
        x = allowed(self.access, x, bias)
        if not len(x):
            return nothing(self.access)
        if not self.close.alive:
            raise InputError(f"{self._path} was closed: open the journal again.")
        batch = digest(x, bias)
        if self._next == len(self._entries):
            self._add_before()
            try:
                answer = self._oracle(x, bias)
            except BaseException:
                with suppress(InputError):  # on a full disk it is told with the next call
                    self._asked += self._count({"failed": True}).queries
                raise
            ledger = self._oracle.ledger
            self._keep(_Entry(self._end, batch, ledger - self._oracle_ledger), answer)
            self._oracle_ledger = ledger
        else:
            answer = self._replay(self._entries[self._next], batch, len(x))
            if self._next in self._rows:
                self._ask_again(x, bias, answer)
            if self._next + 1 == len(self._entries):
                self._compare()
        cost = self._entries[self._next].cost
        self._attack_ledger, self._asked = self._attack_ledger + cost, self._asked + cost.queries
        self._next += 1
        if self._next == len(self._entries):
            self._add_before()
        return answer

    def _add_before(self) -> None:
        """Once no answer is left to replay, the rest of what earlier processes paid is the attack's cost too.

        Not before the attack asks: whoever wants to know what it costs looks at the ledger before and after.
        """
        self._attack_ledger, self._before = self._attack_ledger + self._before, Ledger()

    def _ask_again(self, x: np.ndarray, bias: Bias | None, before: Answer) -> None:
        rows = np.unique(self._rows.pop(self._next).clip(max=len(x) - 1))
        some = None if bias is None else Bias(bias.token[rows], bias.value[rows])
        self._again.append(_Again(x[rows], some, before.take(rows), self._answer_again(x[rows], some)))

    def _answer_again(self, x: np.ndarray, bias: Bias | None) -> Answer:
        try:
            return self._oracle(x, bias)
        finally:
            self._count({"again": True})

    def _count(self, why: dict[str, Any]) -> Ledger:
        """Keep what was paid since, where there is no answer to keep; returns it."""
        ledger = self._oracle.ledger
        cost = ledger - self._oracle_ledger
        if cost != Ledger():
            self._write(*frame(why | {"cost": vars(cost)}))
            self._oracle_ledger = ledger
            self._paid, self._attack_ledger = self._paid + cost, self._attack_ledger + cost
        return cost

    def _compare(self) -> None:
        again, self._again = self._again, []
        if again and is_another(
            [one.before for one in again],
            [one.now for one in again],
            lambda: [self._answer_again(one.x, one.bias) for one in again],
            self.access,
        ):
            raise InputError(
                f"{self._path} holds the answers of another victim ({sum(len(one.x) for one in again)} of its questions, "
                "asked again, are answered otherwise now): give another folder."
            )

    def _open(self, victim: dict[str, Any]) -> None:
        with open_reading(self._file) as file:
            self._index(read_frames(file, self._path), victim)
        if self._end:
            self._write(b"")
        else:
            self._write(*frame(victim))

    def _index(self, frames: Iterator[tuple[int, bytes]], victim: dict[str, Any]) -> None:
        for number, (at, payload) in enumerate(frames):
            self._end = at + HEAD.size + len(payload) + SEAL
            try:
                line = decode_json(payload[: payload.find(b"\n") + 1])
                if number and ("again" in line or "failed" in line):
                    cost = _cost(line["cost"])
                    self._before, self._paid = self._before + cost, self._paid + cost
                    if "again" in line:
                        self._rechecked += cost.queries
                    else:
                        self._failures.append((len(self._entries), cost.queries))
                elif number:
                    self._add(_Entry(at, bytes.fromhex(line["digest"]), _cost(line["cost"])))
                elif not isinstance(line, dict):
                    raise UnreadableError("it describes no victim")
            except (*DAMAGE, AttributeError) as error:
                raise damaged(self._path, at) from error
            if not number and line != victim:
                different = [name for name in sorted({*line, *victim}) if line.get(name) != victim.get(name)]
                raise InputError(
                    f"{self._path} holds the answers of another victim or attack ({printable(different)} differ): "
                    "give another folder."
                )

    def _add(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._paid += entry.cost

    def _keep(self, entry: _Entry, answer: Answer) -> None:
        arrays = {name: part for name, part in answer._asdict().items() if part is not None}
        line = {"digest": entry.digest.hex(), "cost": vars(entry.cost), "parts": list(arrays)}
        self._write(*frame(line, *arrays.values()))
        self._add(entry)

    def _replay(self, entry: _Entry, batch: bytes, queries: int) -> Answer:
        if batch != entry.digest:
            raise InputError(
                f"call {self._next + 1} of this attack asks other queries than {self._path} holds: "
                "it is of another attack or seed: give another folder."
            )
        with open_reading(self._file) as file:
            file.seek(entry.at)
            length = HEAD.unpack(file.read(HEAD.size))[1]
            payload = io.BytesIO(file.read(length))
        try:
            names = decode_json(payload.readline())["parts"]
            answer = Answer(**{name: read_next(payload, str(name)) for name in names})
            _check_shapes(answer, self.access, queries)
            return answer
        except (*DAMAGE, AttributeError) as error:
            raise damaged(self._path, entry.at) from error

    def _write(self, *pieces: bytes | memoryview) -> None:
        """Append a frame, over what a kill or a full disk has left of an earlier try."""
        try:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(
                f"cannot write {self._path}: {error.strerror or error}: make room or choose a folder you may write to, "
                "and give the same command again; what was answered before is kept."
            ) from error
        self._end += sum(map(len, pieces))


def _check_shapes(answer: Answer, access: Access, queries: int) -> None:
    """Refuse what is no answer to so many queries: whoever attacks counts on its shapes and its classes."""
    label = answer.label
    if (
        label.shape != (queries,)
        or label.dtype.kind not in "iu"
        or not 0 <= label.min() <= label.max() < access.classes
    ):
        raise UnreadableError("its labels are none")
    for scores in (answer.probability, answer.logit):
        if scores is not None and (scores.shape != (queries, access.classes) or scores.dtype.kind != "f"):
            raise UnreadableError("its scores are none")


def _cost(line: dict[str, Any]) -> Ledger:
    """What a call cost: numbers of at least 0 that can be added up."""
    if not all(type(number) in (int, float) and 0 <= number < 2**53 for number in line.values()):
        raise UnreadableError("no call costs so much")
    return Ledger(**line)


def _plain(oracle: Oracle, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The victim as JSON reads it back."""
    answers = {"content": content(oracle), "defences": defences(oracle), **terms(oracle.access)}
    try:
        parts = {f"identity.{name}": value for name, value in identity.items()}
        header = {"format": FORMAT, **answers, **parts}
        return json.loads(json.dumps(header, default=lambda value: value.item()))
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"the identity of a journal is no plain JSON ({error}): give names, numbers and text."
        ) from error
