"""Kill commands at random moments, give them again, and see what is lost: nothing but the piece in hand is to be.

    python scripts/kills.py [--kills 100] [--only sweep matrix extraction server] [--seed 0] [--out FILE]

sweep       a membership run: a chunk that was finished stays as it was, byte for byte, and the report at the end is that of
            a run that nobody killed
matrix      the same of its cells and the chunks of its columns
extraction  a theft from a prediction API: the same is stolen, and the API answers each question once, but for those in hand
            at each kill; what is asked again to know the service by is in the report, which costs a few questions more
server      a prediction API: what it answered counts against the key after a restart, but for one answer in hand at each kill

Each command is started, killed with SIGKILL at a moment drawn uniformly from the time that it would take, and started again,
until it ends by itself; then anew in another folder, until there were so many kills, after which it is let end: one that
begins again each time might never. Exits with 1 where anything was lost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np

JAXATTACK = (sys.executable, "-m", "jaxattack")
TRAINING = ("--model", "mlp:32", "--records", "600", "--epochs", "40", "--chunk", "2", "--quiet")
SWEEP = ("membership", *TRAINING, "--models", "32", "--attacks", "lira-online", "rmia-offline", "loss")
MATRIX = (
    *("matrix", *TRAINING, "--models", "8", "--targets", "4", "--defend", "round:1", "dropout:0.5", "noise:0.1"),
    *("--attacks", "lira-online", "loss", "--inversions", "none"),
    *("--extractions", "uniform-retraining?budget=500&substitute=mlp:16"),
)
THEFT = ("extract", "URL", "--method", "uniform-retraining?budget=3000&rounds=20", "--data", "digits", "--quiet")
PASSING = frozenset({"memory_bytes", "command", "environment"})
"""Keys of a report whose values differ between two runs that find the same, beside those of seconds."""

IN_HAND = 500
"""Questions of one request of the theft, at most."""


class Kills(NamedTuple):
    """What came of a kind.

    Attributes:
        kills: processes that were killed.
        runs: that came to an end.
        losses: what was lost, in sentences.
    """

    kills: int
    runs: int
    losses: list[str]


def differences(first: Any, second: Any, place: str = "report") -> Iterator[str]:
    """Where two reports differ but for what passes, in sentences."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in sorted({*first, *second}):
            if key not in PASSING and not key.endswith("seconds"):
                yield from differences(first.get(key), second.get(key), f"{place}.{key}")
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for number, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif first != second:
        yield f"{place} is {second!r:.60} and was {first!r:.60}"


def digests(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Every finished piece, by its name."""
    paths = {path for pattern in patterns for path in folder.rglob(pattern) if ".partial" not in path.name}
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def run(words: tuple[str, ...], out: Path, seconds: float | None = None) -> bool:
    """Run a command; whether it came to an end before it was killed, after so many seconds.

    Raises:
        RuntimeError: it ended with an error.
    """
    with subprocess.Popen([*JAXATTACK, *words, "--out", str(out)], stderr=subprocess.PIPE, text=True) as process:
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return False
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}: {errors}")
    return True


def kill_often(
    words: tuple[str, ...],
    place: Path,
    kills: int,
    rng: random.Random,
    check: Callable[[Path, int], list[str]],
    watch: tuple[str, ...] = (),
) -> Kills:
    """Kill a command again and again.

    Args:
        words: of the command.
        place: for its folders.
        kills: how many.
        rng: decides when.
        check: what was lost, of the folder of a command that came to an end after so many kills.
        watch: names of pieces that are to stay as they are once they are there.
    """
    begin = time.perf_counter()
    run(words, place / "alone")
    duration = time.perf_counter() - begin
    total, runs = 0, 0
    losses = check(place / "alone", 0)
    while total < kills:
        folder = place / f"run-{runs}"
        pieces: dict[str, str] = {}
        before = total
        while not run(words, folder, rng.uniform(0, duration) if total < kills else None):
            total += 1
            now = digests(folder, watch) if folder.exists() else {}
            losses += [f"{folder.name}: {name} changed or went" for name in pieces if now.get(name) != pieces[name]]
            pieces = now
        now = digests(folder, watch)
        losses += [f"{folder.name}: {name} changed or went" for name in pieces if now.get(name) != pieces[name]]
        losses += check(folder, total - before)
        shutil.rmtree(folder)
        runs += 1
    return Kills(total, runs, losses)


def reports_equal(place: Path, leave_out: tuple[str, ...] = ()) -> Callable[[Path, int], list[str]]:
    """Compares a report, but for some parts, with that of the run that nobody killed."""

    def check(folder: Path, _: int) -> list[str]:
        reports = [json.loads((one / "report.json").read_text()) for one in (place / "alone", folder)]
        reports = [{key: part for key, part in report.items() if key not in leave_out} for report in reports]
        return [f"{folder.name}: {difference}" for difference in differences(reports[0], reports[1])][:3]

    return check


def kill_sweep(place: Path, kills: int, rng: random.Random) -> Kills:
    """A membership run."""
    return kill_often(SWEEP, place, kills, rng, reports_equal(place), ("chunk-*", "weights-*"))


def kill_matrix(place: Path, kills: int, rng: random.Random) -> Kills:
    """A matrix."""
    watch = ("chunk-*", "weights-*", "cells/*")
    return kill_often(MATRIX, place, kills, rng, reports_equal(place, leave_out=("cost",)), watch)


@contextmanager
def served(*words: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """A prediction API in a process of its own: its URL and the process."""
    command = [*JAXATTACK, "serve", "softmax", "--port", "0", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines: list[str] = []
            for line in process.stderr:
                lines.append(line)
                if match := re.search(r"(http://[\d.:]+)", line):
                    yield match[1], process
                    return
            raise RuntimeError(f"{' '.join(command)} told no address: {''.join(lines)}")
        finally:
            process.kill()


def answered(url: str) -> int:
    """Queries that an API has answered."""
    count = re.search(r"queries_answered_total\{.*\} (\d+)", httpx.get(f"{url}/metrics").text)
    assert count
    return int(count[1])


def kill_extraction(place: Path, kills: int, rng: random.Random) -> Kills:
    """A theft from an API that is not killed."""
    with served() as (url, _):
        before = 0
        equal = reports_equal(place, leave_out=("cost", "curve"))  # which count what is asked again

        def check(folder: Path, killed: int) -> list[str]:
            nonlocal before
            asked = answered(url) - before
            before += asked
            paid = json.loads((folder / "report.json").read_text())["cost"]["queries"]
            twice = asked > paid + killed * IN_HAND
            return [*equal(folder, killed), *([f"{folder.name}: {asked} answered, {paid} paid for"] if twice else [])]

        words = tuple(url if word == "URL" else word for word in THEFT)
        return kill_often(words, place, kills, rng, check)


def kill_server(place: Path, kills: int, rng: random.Random) -> Kills:
    """An API whose key has a budget."""
    budget, batch = 200_000, 16
    keys = place / "keys.json"
    keys.write_text(json.dumps([{"name": "a", "secret": "s", "queries": budget}]))
    received, runs, losses = 0, 0, []
    for number in range(kills):
        with (
            served("--keys", str(keys)) as (url, process),
            httpx.Client(headers={"Authorization": "Bearer s"}) as client,
        ):
            counted = int(re.findall(r"answered_total\{.*\} (\d+)", client.get(f"{url}/metrics").text)[0])
            if not received <= counted <= received + number * batch:
                losses.append(f"start {number}: {received} queries were answered and {counted} count")
            received, runs = counted, runs + 1
            end = time.perf_counter() + rng.uniform(0, 1.0)
            while time.perf_counter() < end:
                x = np.full((rng.randint(1, batch), 64), rng.uniform(0, 255))
                reply = client.post(f"{url}/predict", json={"inputs": x.tolist()})
                received += len(x) if reply.status_code == 200 else 0
            process.send_signal(signal.SIGKILL)
    return Kills(kills, runs, losses)


KINDS: Mapping[str, Callable[[Path, int, random.Random], Kills]] = {
    "sweep": kill_sweep,
    "matrix": kill_matrix,
    "extraction": kill_extraction,
    "server": kill_server,
}


def main() -> None:
    """Run the kinds one after the other."""
    parser = argparse.ArgumentParser(description="Kill commands at random moments, and see what is lost.")
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    results = {}
    for kind in options.only:
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="jaxattack-kills-") as place:
            share = -(-options.kills // len(options.only))
            result = KINDS[kind](Path(place), share, random.Random(f"{options.seed} {kind}"))
        seconds = time.perf_counter() - begin
        results[kind] = result._asdict() | {"seconds": round(seconds)}
        print(
            f"{kind:11}{result.kills} kills, {result.runs} runs ended, {len(result.losses)} losses, {seconds:.0f} s",
            flush=True,
        )
        for loss in result.losses:
            print(f"    {loss}")
    if options.out:
        options.out.write_text(json.dumps(results | {"seed": options.seed}, indent=1) + "\n")
    sys.exit(any(result["losses"] for result in results.values()))


if __name__ == "__main__":
    main()
