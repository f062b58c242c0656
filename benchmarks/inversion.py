"""Claim: hundreds of inversions in one program beat one at a time, and stealing a model first beats asking for gradients.

    python benchmarks/inversion.py [--only steps faces digits defences] [--faces orl.npz] [--out inversion.json]

Sections:

    steps    MI-FACE on an MLP 64-64-10, no early stop: inversion-steps a second of CPU time, by how many move at once.
             Rows: a loop over a jax.jit step; one inversion, scanned; the batch. Beside them, where the adversarial
             robustness toolbox is installed, its MIFace at its default (one at a time) and in batches
    faces    a softmax over faces given with --faces (.npz of x, y): 8 restarts of everyone at once, then the same from a
             model that was stolen first, beside numeric gradients for one person; queries and seconds. Published, for
             AT&T faces 112 x 92 (Tramèr et al. 2016): black-box 20,600 queries and 24 minutes a face, 800,000 and 16 hours
             for 40; stolen first 41,216 queries and 10 hours for all
    digits   every attack of the registry on an MLP trained on scikit-learn's digits: who recognises what is made, and
             what it costs
    defences the softmax on digits behind rounded confidences, the highest ones alone, noise, or labels alone: what numeric
             gradients, an inversion network and labels alone still find, and what the defence costs the victim in accuracy.
             What numeric gradients make of rounded confidences is drawn beside --out

Compile time is apart. Seconds of CPU time count all threads of the process.
"""

# pyright: reportMissingImports=false
# The toolbox's rows are measured where it is installed.

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.table import Table

import jaxattack as ja
from jaxattack.attacks.extraction import Softmax
from jaxattack.attacks.inversion import MiFace, Numeric
from jaxattack.audit.environment import device
from jaxattack.audit.findings.inversion import InversionFindings
from jaxattack.audit.inversion import EVALUATION
from jaxattack.audit.judge import evaluation_model
from jaxattack.release import release

STEPS, RATE = 1000, 0.1
AT_ONCE = (1, 10, 100, 1000, 5000)
ROUNDED = (0.001, 0.005, 0.01, 0.05, 0.1)
Row = dict[str, Any]


def timed(run: Callable[[], int], repeats: int) -> Row:
    """Inversion-steps a second of CPU time, the first run apart."""
    begin = time.perf_counter()
    run()
    first = time.perf_counter() - begin
    rates, walls = [], []
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        done = run()
        rates.append(done / (time.process_time() - cpu))
        walls.append(done / (time.perf_counter() - wall))
    return {
        "rate": statistics.median(rates),
        "low": min(rates),
        "high": max(rates),
        "wall_rate": statistics.median(walls),
        "first_seconds": first,
    }


def endless(at_once: int) -> Any:
    """MI-FACE that takes every step."""
    return ja.attacks.inversion.lookup(f"mi-face?restarts={at_once}&steps={STEPS}&patience={10**9}&confidence=1")


def white_box() -> ja.WhiteBox:
    """An MLP 64-64-10 with random weights; speed does not depend on them."""
    model = ja.models.build("mlp:64", (64,), 10)
    return ja.WhiteBox(
        model=model, variables=model.init(jax.random.key(0)), inputs=ja.Inputs.box(0, 1, (64,)), classes=10
    )


def step_loop(victim: ja.WhiteBox, steps: int) -> int:
    """What one would write first: one inversion, a Python loop over a compiled step."""

    @jax.jit
    def step(x):
        value, gradient = jax.value_and_grad(
            lambda x: 1 - jax.nn.softmax(victim.model.apply(victim.variables, x))[0, 3]
        )(x)
        return jnp.clip(x - RATE * gradient, 0, 1), value

    x = jnp.full((1, 64), 0.5)
    for _ in range(steps):
        x, value = step(x)
    jax.block_until_ready(value)
    return steps


def steps(_: argparse.Namespace, repeats: int) -> Iterator[Row]:
    """Inversion-steps a second of CPU time."""
    victim = white_box()
    yield {"what": "loop over a jax.jit step", "at_once": 1, **timed(lambda: step_loop(victim, STEPS), repeats)}
    for at_once in AT_ONCE:
        attack, classes = endless(max(at_once // 10, 1)), np.arange(min(at_once, 10))
        row = timed(lambda attack=attack, classes=classes: attack(victim, classes).gradients, repeats)
        yield {"what": "one, scanned" if at_once == 1 else "jaxattack", "at_once": at_once, **row}
    if importlib.util.find_spec("art") is not None and importlib.util.find_spec("torch") is not None:
        yield from toolbox(victim, repeats)


def toolbox(victim: ja.WhiteBox, repeats: int) -> Iterator[Row]:
    """The toolbox's MIFace on the same network in PyTorch; its early stop is off: a threshold that every cost is below."""
    import torch
    from art.attacks.inference.model_inversion import MIFace
    from art.estimators.classification import PyTorchClassifier

    layers = [np.asarray(leaf) for leaf in jax.tree.leaves(victim.variables.params)]
    sizes = [leaf for leaf in layers if leaf.ndim == 2]
    network: Any = torch.nn.Sequential(
        torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10), torch.nn.Softmax(1)
    )
    with torch.no_grad():
        for layer, weight in zip((network[0], network[2]), sizes, strict=True):
            layer.weight.copy_(torch.tensor(weight.T.copy()))
    classifier = PyTorchClassifier(network, torch.nn.CrossEntropyLoss(), (64,), 10, clip_values=(0, 1))
    for at_once, taken in ((1, 200), (100, 200), (1000, 200)):
        attack = MIFace(
            classifier, max_iter=taken, window_length=100, threshold=2.0, learning_rate=RATE,
            batch_size=at_once, verbose=False,
        )  # fmt: skip
        y, x = np.arange(at_once) % 10, np.full((at_once, 64), 0.5, np.float32)

        def run(attack=attack, x=x, y=y, taken=taken) -> int:
            attack.infer(x, y)
            return len(x) * taken

        yield {"what": "toolbox's MIFace", "at_once": at_once, **timed(run, repeats)}


def faces(arguments: argparse.Namespace, _: int) -> Iterator[Row]:
    """White-box, stolen first, and black-box, on real faces."""
    if arguments.faces is None:
        return
    dataset = ja.load(str(arguments.faces))
    victim = ja.open_victim("softmax", data=str(arguments.faces), members=round(0.7 * len(dataset)))
    people = dataset.classes
    for name, extract, attack in (
        ("white-box", None, MiFace()),
        ("stolen first", Softmax(), MiFace()),
        ("black-box, one person", None, Numeric(steps=20)),
    ):
        targets = (0,) if "one person" in name else tuple(range(people))
        cpu = time.process_time()
        findings = ja.invert(victim, attack, extract=extract, targets=targets).findings
        yield row_of(name, findings, time.process_time() - cpu)


def row_of(name: str, findings: InversionFindings, cpu: float) -> Row:
    """Recognition and cost of an inversion."""
    recognition, cost = findings.recognition, findings.cost
    return {
        "what": name,
        "queries": cost.queries,
        "gradients": cost.gradients,
        "attack_seconds": cost.seconds.attack + (cost.seconds.extraction or 0.0),
        "total_seconds": cost.seconds.total,
        "cpu_seconds": cpu,
        "victim": recognition.victim,
        "victim_restarts": recognition.victim_restarts,
        "independent": recognition.top1,
        "correlation": None if findings.likeness is None else findings.likeness.correlation_mean,
        "complete": findings.attack.complete,
    }


def digits(_: argparse.Namespace, __: int) -> Iterator[Row]:
    """Every attack by name on one victim."""
    victim = ja.open_victim("mlp:64")
    judge = evaluation_model(victim, EVALUATION, 0)
    assert judge is not None
    for name, attack in ja.attacks.inversion.ATTACKS.items():
        oracle = ja.oracle.label_only(victim.oracle) if "label" in attack.levels else victim.oracle
        cpu, wall = time.process_time(), time.perf_counter()
        made = attack(
            victim.inside if attack.white_box else oracle, np.arange(10), pool=victim.pool if attack.pool else None
        )
        seconds, cpu = time.perf_counter() - wall, time.process_time() - cpu
        yield {
            "what": name,
            "queries": made.cost.queries,
            "gradients": made.gradients,
            "attack_seconds": seconds,
            "cpu_seconds": cpu,
            "victim": float((victim.ask(made.x).label == made.target).mean()),
            "independent": float((judge.logits(made.x).argmax(axis=1) == made.target).mean()),
            "complete": made.complete,
        }


def defences(arguments: argparse.Namespace, _: int) -> Iterator[Row]:
    """Countermeasures: Fredrikson et al. round confidences to multiples of r."""
    victim = ja.open_victim("softmax")
    judge = evaluation_model(victim, EVALUATION, 0)
    assert victim.x is not None
    assert victim.y is not None
    assert judge is not None
    behind = {"none": victim.oracle} | {f"rounded to {r:g}": coarse(victim.oracle, r) for r in ROUNDED}
    behind |= {f"top {k}": ja.oracle.top_k(victim.oracle, k) for k in (5, 3, 1)}
    behind |= {f"noise {scale:g}": ja.oracle.noisy(victim.oracle, scale) for scale in (0.001, 0.01, 0.1)}
    behind |= {"label only": ja.oracle.label_only(victim.oracle)}
    drawn: dict[str, np.ndarray] = {}
    for what, oracle in behind.items():
        for name in ("boundary",) if oracle.access.level == "label" else ("numeric?steps=60", "network"):
            attack = ja.attacks.inversion.lookup(name)
            made = attack(oracle, np.arange(10), pool=victim.pool if attack.pool else None)
            if attack.name == "numeric" and what in ("none", *(f"rounded to {r:g}" for r in ROUNDED)):
                drawn[what] = made.x
            yield {
                "what": what,
                "attack": attack.name,
                "queries": made.cost.queries,
                "victim": float((victim.ask(made.x).label == made.target).mean()),
                "independent": float((judge.logits(made.x).argmax(axis=1) == made.target).mean()),
                "score": float(np.nanmean(made.score)),
                "accuracy": float((oracle(victim.x).label == victim.y).mean()),
            }
    draw(drawn, arguments.out.with_name(f"{arguments.out.stem}_rounding.png"))


def draw(made: dict[str, np.ndarray], path: Path) -> None:
    """A row of pictures for each way of rounding (Fredrikson et al. 2015, figure 8)."""
    figure, axes = plt.subplots(len(made), 10, figsize=(8, 0.9 * len(made)), squeeze=False, layout="constrained")
    for row, (what, pictures) in zip(axes, made.items(), strict=True):
        for place, picture in zip(row, pictures, strict=True):
            place.imshow(picture[..., 0], cmap="gray", vmin=0, vmax=255)
            place.set(xticks=[], yticks=[])
        row[0].set_ylabel(what.removeprefix("rounded to "), rotation=0, ha="right", va="center")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"Wrote {path}.")


def coarse(oracle: ja.Oracle, step: float) -> ja.Oracle:
    """Confidences rounded to multiples of a step."""

    def answer(x: np.ndarray) -> ja.Answer:
        given = oracle(x)
        assert given.probability is not None
        p = np.rint(given.probability / step) * step
        return ja.Answer(p.argmax(axis=1), p)

    return ja.oracle.from_function(answer, oracle.access)


SECTIONS: dict[str, Callable[[argparse.Namespace, int], Iterator[Row]]] = {
    "steps": steps,
    "faces": faces,
    "digits": digits,
    "defences": defences,
}


def show(console: Console, section: str, rows: list[Row]) -> None:
    """One section as a table."""
    made = Table(title=section, title_justify="left")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for name in columns:
        made.add_column(name.replace("_", " "), justify="left" if name == "what" else "right", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(row.get(name)) for name in columns))
    console.print(made)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    """Run the sections and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--faces", type=Path, help="an .npz of x [record, height, width, channel] as uint8, and y")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("inversion.json"))
    arguments = parser.parse_args()
    console = Console()
    results: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"sections": {}}
    packages = ("jaxattack", "jax", "numpy")
    here = {name: release(name) for name in packages} | {
        "python": platform.python_version(), "device": device(), "repeats": arguments.repeats,
    }  # fmt: skip
    for section in arguments.only:
        rows = list(SECTIONS[section](arguments, arguments.repeats))
        if not rows:
            console.print(f"{section}: nothing at hand; see --help.")
            continue
        show(console, section, rows)
        results["sections"][section] = {"environment": here, "rows": rows}
        arguments.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
