"""Who notices a thief: PRADA over the questions of every extraction attack and of benign clients, and what they would work for them.

    python scripts/thieves_detected.py                                            # on scikit-learn's digits
    python scripts/thieves_detected.py --data mnist.npz --other fashion.npz       # pictures to steal, and another set's

Pictures of 0 to 255 and their labels are learnt by a perceptron, from which attacks on labels and records steal; the other
attacks have the kinds of victims that they are for, trained on digits and iris or, where they take no other, of random weights.
Benign clients ask about records that the victim was not trained on: each about its own, about one class mostly, about few of
its own again and again (and behind a cache), about noisy ones, and about another set's.

Columns: questions; the question of PRADA's alarm (Juuti et al. 2019) at two deltas, and the lowest W; and, of questions about
the pictures, how many times as long as one whose costs are as expected a client works for its answers (Dziedzic et al. 2022):
with the authors' bases for teachers that are networks and for neighbours, and with one calibrated on other benign clients. All of a
kind are asked of the same victim; work is compared at equal numbers of questions.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from comparison import keep, save_figure
from jaxtyping import Int, Shaped
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from sklearn.datasets import load_sample_image

from jaxattack import load
from jaxattack.attacks.extraction import lookup
from jaxattack.audit import Victim, extract, open_victim
from jaxattack.defences import Round
from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.oracle import NeighbourVotes, ProofOfWork, calibrate_work
from jaxattack.oracle.ledger import OracleWrapper
from jaxattack.oracle.prada import PRADA, Stream, Watch
from jaxattack.report.style import MUTED, SERIES, styled
from jaxattack.report.wording import count, percent
from jaxattack.report.wording import number as decimals
from jaxattack.types import Answer, Bias, InputError, Inputs

DELTAS = (0.9, 0.95)
BASES = (1.0075, 1.18)
THEFTS = {
    "pictures": (
        "uniform-retraining", "line-search-retraining", "adaptive-retraining", "jacobian", "active-deepfool+k-center",
        "active-uncertainty", "active-random", "knockoff-random", "knockoff-adaptive",
    ),
    "logistic on digits": ("softmax", "hypotheses", "lowd-meek"),
    "logistic on iris": ("rounded",),
    "ovr on iris": ("ovr",),
    "tanh on iris": ("mlp",),
    "kernel on iris": ("kernel",),
    "tree on digits": ("path-finding",),
    "partial-tree on iris": ("top-down",),
    "binned on iris": ("binned",),
    "relu:20-10-1": ("relu",),
    "relu:10-5-5-1": ("relu-deep?hidden=5-5",),
    "head:16-300": ("lm-head",),
}  # fmt: skip
"""Attacks by the victims that they are tried on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """The questions of one client, and what was answered.

    Attributes:
        kind: theft, or of benign client.
        name: of the attack, or of the client.
        victim: whom it asks.
        inputs: what the victim documents.
        x: the questions, in their order.
        label: the classes answered.
    """

    kind: str
    name: str
    victim: str
    inputs: Inputs
    x: Shaped[np.ndarray, "query *feature"]
    label: Int[np.ndarray, "query"]


class Recorder(OracleWrapper):
    """Keeps what passes."""

    def __init__(self, victim: Victim):
        super().__init__(victim.oracle)
        self.parts: list[tuple[np.ndarray, np.ndarray]] = []

    def __call__(self, x: np.ndarray, bias: Bias | None = None) -> Answer:
        answer = self._oracle(x, bias)
        self.parts.append((np.array(x), np.array(answer.label)))
        return answer

    def stream(self, kind: str, name: str, victim: Victim) -> Asked:
        """All that was asked."""
        x, label = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        return Asked(kind=kind, name=name, victim=victim.name, inputs=self.access.inputs, x=x, label=label)


def stolen(victim: Victim, method: str, *, budget: int, name: str | None = None) -> Asked:
    """The questions of an attack, without those that verify what it stole."""
    recorder, begin = Recorder(victim), time.process_time()
    try:
        extract(replace(victim, oracle=recorder), lookup(method), budget=budget, trials=0, compare=50)
    except InputError as error:
        if not recorder.parts:
            raise SystemExit(f"{method} on {victim.name} asks nothing: {error}") from error
    asked = recorder.stream("theft", name or method, victim)
    print(f"{asked.name}: {len(asked.x):,} questions, {time.process_time() - begin:.0f} CPU s", file=sys.stderr)
    return asked


def thefts(pictures: Victim, other: np.ndarray, budget: int, skip: list[str]) -> Iterator[Asked]:
    """Every extraction attack on a victim of its kind; knockoffs with the victim's kind of records and with another set's."""
    for place, methods in THEFTS.items():
        kind, _, data = place.partition(" on ")
        victim = pictures if place == "pictures" else open_victim(kind, data=data or None)
        for method in (method for method in methods if method not in skip):
            victim = victim.behind((Round(decimals=2),)) if method == "rounded" else victim
            sized = f"{method}?budget={budget}&rounds=4" if place == "pictures" else method
            yield stolen(victim, sized, budget=budget, name=method.partition("?")[0])
    for strategy in ("random", "adaptive"):
        yield stolen(
            replace(pictures, pool=other), f"knockoff-{strategy}?budget={budget}&rounds=4", budget=budget,
            name=f"knockoff-{strategy}, another set",
        )  # fmt: skip


def clients(pictures: Victim, other: np.ndarray, size: int, seed: int) -> Iterator[Asked]:
    """Benign clients of the victim of pictures, and of those of digits and of a table."""
    rng = np.random.default_rng(seed)
    x, y = np.asarray(pictures.x), np.asarray(pictures.y)
    shares = np.array_split(rng.permutation(len(x)), 8)

    def asked(kind: str, number: int, questions: np.ndarray, victim: Victim = pictures) -> Asked:
        recorder = Recorder(victim)
        recorder(questions)
        return recorder.stream(kind, f"{kind} {number + 1}", victim)

    for number, share in enumerate(shares):
        yield asked("own records", number, x[share[:size]])
    for number in range(4):
        mostly = np.where(y == rng.integers(y.max() + 1), 10.0, 1.0)
        yield asked("one class mostly", number, x[rng.choice(len(x), size, replace=False, p=mostly / mostly.sum())])
    for number, share in enumerate(shares[:4]):
        repeated = rng.choice(share[: size // 3], size)
        yield asked("the same again", number, x[repeated])
        yield asked("the same, cached", number, x[list(dict.fromkeys(repeated.tolist()))])
        width = pictures.oracle.access.inputs.high - pictures.oracle.access.inputs.low
        noisy = x[share[:size]] + rng.normal(0, 0.1, (min(size, len(share)), *x.shape[1:])) * width
        yield asked("noisy", number, np.clip(noisy, 0, width))
    for number, share in enumerate(np.array_split(rng.permutation(len(other)), 2)):
        yield asked("another set", number, other[share[:size]])
    for data in ("digits", "breast_cancer"):
        victim = open_victim("logistic", data=data)
        records = np.concatenate([np.asarray(victim.x), np.asarray(victim.pool)])
        for number, share in enumerate(np.array_split(rng.permutation(len(records)), 3 if data == "digits" else 1)):
            yield asked(f"own records of {data}", number, records[share], victim)


def watch(asked: Asked) -> Watch:
    """What PRADA sees of a whole stream; a delta of 0 raises no alarm, and so ends no test."""
    stream = Stream(PRADA(delta=0.0), asked.inputs)
    stream.add(asked.x, asked.label)
    return stream.watch


def slowdowns(streams: list[Asked], pictures: Victim, size: int) -> dict[str, dict[str, float]]:
    """How long the clients of the pictures work for their first questions, by the name of the client and the base."""
    assert pictures.dataset is not None
    assert pictures.member is not None
    own = pictures.dataset.x[pictures.member].reshape(-1, *pictures.oracle.access.inputs.shape)
    voters = min(300, len(own) // 15)
    votes = NeighbourVotes(
        x=own, y=pictures.dataset.y[pictures.member], classes=pictures.dataset.classes, neighbours=voters
    )
    asked = {one.name: votes(one.x[:size]) for one in streams if one.victim == pictures.name and len(one.x) >= size}
    known = [name for name in asked if name.startswith("own records ")]
    work = ProofOfWork(sigma=28 * voters / 300, delta=1 / len(own))
    fitted, expected = calibrate_work(work, [asked[name] for name in known[::2]])
    bases = {f"{base}": replace(work, base=base) for base in BASES} | {"calibrated": fitted}
    rows = {
        name: {base: float(one.puzzles(votes_, expected).mean()) for base, one in bases.items()}
        for name, votes_ in asked.items()
    }
    rows["base"] = {base: one.base for base, one in bases.items()}
    return rows | {name: row | {"calibrates": 1.0} for name, row in rows.items() if name in known[::2]}


def table_of(rows: list[dict[str, Any]], work: dict[str, dict[str, float]]) -> Table:
    """A line for each stream."""
    table = Table(title="Who is noticed, and who works", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    heads = (
        "",
        "questions",
        *(f"alarm at {delta}" for delta in DELTAS),
        "lowest W",
        *(f"work, {base}" for base in work["base"]),
    )
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=not place)
    for one in rows:
        slow = work.get(one["name"], {}) if one["pictures"] else {}
        alarms = (count(alarm) if alarm else "none" for alarm in one["alarms"])
        table.add_row(
            one["name"] + (" *" if "calibrates" in slow else ""), count(one["questions"]),
            *(alarms if one["lowest"] is not None else ("too few",) * len(DELTAS)), decimals(one["lowest"]),
            *(f"{slow[base]:.3g}x" if slow else "" for base in work["base"]),
        )  # fmt: skip
    table.caption = (
        "Work: the mean puzzle, of the one of a client whose costs are as expected, over the first questions of those that ask as many. "
        f"* calibrates the base ({work['base']['calibrated']:.4g}) and the expected cost."
    )
    table.caption_justify = "left"
    return table


def told(rows: list[dict[str, Any]]) -> list[str]:
    """Alarms by kind of client, with their intervals."""
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        of_kind = [row for row in rows if row["kind"] == kind and row["lowest"] is not None]
        parts = []
        for place, delta in enumerate(DELTAS):
            alarms = sum(row["alarms"][place] is not None for row in of_kind)
            low, high = map(float, clopper_pearson(alarms, len(of_kind)) if of_kind else (0, 1))
            parts.append(f"{alarms} of {len(of_kind)} at {delta} (95%: {percent(low)} to {percent(high)})")
        lines.append(f"{kind}: alarms for {', '.join(parts)}.")
    return lines


def figure_of(watches: list[tuple[str, Watch]]) -> Figure:
    """W by questions, thefts and benign clients apart."""
    figure = Figure(figsize=(6.4, 2.6))
    for axes, theft in zip(figure.subplots(1, 2, sharey=True), (False, True), strict=True):
        for kind, one in watches:
            if (kind == "theft") == theft and len(one.question) > 1:
                repeats = kind == "the same again"
                colour = SERIES[1] if theft or repeats else SERIES[0]
                axes.plot(
                    one.question,
                    one.statistic,
                    color=colour,
                    linewidth=0.8,
                    alpha=0.7,
                    dashes=(3, 1) if repeats else (1, 0),
                )
        for delta in DELTAS:
            axes.axhline(delta, color=MUTED, linewidth=0.7, dashes=(1, 1.5))
        axes.set(
            xlabel="questions",
            title="thefts" if theft else "benign clients; dashed: the same questions again",
        )
        axes.title.set_ha("center")
    figure.axes[0].set(ylabel="W", ylim=(0, 1))
    return figure


def another_set(shape: tuple[int, ...], path: str | None) -> np.ndarray:
    """Pictures of another kind, of the same shape: of a file, or pieces of a photograph."""
    if path is not None:
        return load(path).x.reshape(-1, *shape).astype(np.float64)
    grey = load_sample_image("flower.jpg").mean(axis=2)
    height, width = shape[0], shape[1]
    pieces = np.lib.stride_tricks.sliding_window_view(grey[::4, ::4], (height, width))[::2, ::2].reshape(-1, *shape)
    return np.random.default_rng(0).permutation(pieces)[:2000]


def victim_of(data: str, members: int) -> tuple[Victim, Callable[[np.ndarray], np.ndarray]]:
    """A perceptron that learns pictures, and what makes another set's bytes records of its."""
    victim = open_victim("mlp:64", data=data, members=members)
    inputs = victim.oracle.access.inputs
    return victim, lambda other: inputs.low + other / 255 * (inputs.high - inputs.low)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="pictures to steal: x and y in an .npz, or a name")
    parser.add_argument(
        "--other", help="pictures of the same shape of another kind, in an .npz; pieces of a photograph by default"
    )
    parser.add_argument("--members", type=int, default=600)
    parser.add_argument("--budget", type=int, default=320, help="questions of an attack, at most")
    parser.add_argument("--size", type=int, default=140, help="questions of a benign client, and of those that work")
    parser.add_argument("--skip", nargs="+", default=[], help="attacks left out: mlp solves for minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="thieves_detected")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    pictures, as_records = victim_of(options.data, options.members)
    other = as_records(another_set(pictures.oracle.access.inputs.shape, options.other))
    streams = [
        *thefts(pictures, other, options.budget, options.skip),
        *clients(pictures, other, options.size, options.seed),
    ]
    watches = [watch(one) for one in streams]
    rows = [
        {
            "kind": one.kind, "name": one.name, "victim": one.victim, "pictures": one.victim == pictures.name,
            "questions": seen.questions, "repeats": seen.repeats, "alarms": [seen.at(delta) for delta in DELTAS], "lowest": seen.lowest,
        }
        for one, seen in zip(streams, watches, strict=True)
    ]  # fmt: skip
    work = slowdowns(streams, pictures, options.size)
    with styled():
        save_figure(
            options.out, options.name, figure_of([(one.kind, seen) for one, seen in zip(streams, watches, strict=True)])
        )
    keep(
        options.out,
        options.name,
        {"deltas": DELTAS, "streams": rows, "work": work},
        [table_of(rows, work), *told(rows)],
    )


if __name__ == "__main__":
    main()
