"""Networks of the attribute grid an hour: one compiled program for all architectures, against a loop in PyTorch.

    python benchmarks/architecture.py --nets 32 --torch /path/to/python

Both train the same networks: the same attributes, the same batches, in the same order, from the same initial weights and to the
same accuracy within noise of dropout. The loop builds each network of its own layers, of the size it has, and steps its own
optimizer; both use one thread. Processor time is measured, for the machine may be shared. Of the program the compilation is
told apart: a zoo pays it once.

With ``--activation``: the activation {relu, tanh} of perceptrons of two layers, read from 100 records by kennen-o's classifier.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import numpy as np

from jaxattack import Recipe, load, train_ensemble
from jaxattack.attacks.architecture.answers import features
from jaxattack.attacks.architecture.classifier import Perceptron, fit_classifier
from jaxattack.attacks.architecture.zoo import on_terms
from jaxattack.audit.architecture.zoo_folder import split_records
from jaxattack.audit.environment import environment
from jaxattack.data.designs import Halves
from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.models import build
from jaxattack.models.attribute_grid import ATTRIBUTES, Codes, GridNetwork, draw_codes
from jaxattack.training.grid import BATCH, GridRecipe, schedule, train_grid
from jaxattack.types import Access, Inputs

LOOP = Path(__file__).with_name("architecture_loop.py")


def program(nets: int, recipe: GridRecipe) -> dict[str, float]:
    """Seconds of a processor for each network, and what compiling took."""
    dataset = load("digits")
    records, network, codes = split_records(dataset, 0), GridNetwork(shape=dataset.shape, classes=10), draw_codes(nets)
    train = lambda: [*train_grid(network, recipe, records.pool, records.fresh, codes, np.arange(nets), chunk=nets)]  # noqa: E731
    spent = [time.process_time()]
    for _ in range(2):
        chunk = train()[0]
        spent.append(time.process_time())
    first, second = np.diff(spent)
    return {"seconds": second / nets, "compilation": first - second, "accuracy": float(chunk.accuracy.mean())}


def loop(nets: int, recipe: GridRecipe, python: str) -> dict[str, float]:
    """The same networks by PyTorch, one after another."""
    dataset = load("digits")
    records, network, codes = split_records(dataset, 0), GridNetwork(shape=dataset.shape, classes=10), draw_codes(nets)
    keys = [jax.random.split(jax.random.fold_in(jax.random.key(0), net))[0] for net in range(nets)]
    weights = [network.init(key, code) for key, code in zip(keys, codes, strict=True)]
    orders = [
        schedule(int(Codes(*code).data), len(records.pool), recipe.steps, seed=0, net=net)
        for net, code in enumerate(codes)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file, answer = Path(folder) / "nets.npz", Path(folder) / "loop.json"
        stacked = {name: np.stack([np.asarray(getattr(one, name)) for one in weights]) for name in weights[0]._fields}
        np.savez(
            file, allow_pickle=False, codes=codes, order=np.stack(orders), x=records.pool.x, y=records.pool.y,
            fresh_x=records.fresh.x, fresh_y=records.fresh.y, batch=BATCH,
            rates=np.array([recipe.sgd, recipe.momentum, recipe.adam, recipe.rmsprop]), **stacked,
        )  # fmt: skip
        subprocess.run([python, LOOP, file, answer], check=True)
        return json.loads(answer.read_text())


def activation(nets: int, questions: int) -> dict[str, float]:
    """How often {relu, tanh} of perceptrons of two layers is read right from the answers to some records."""
    dataset = load("digits")
    rng = np.random.default_rng(0)
    order = rng.permutation(len(dataset))
    pool, asked = dataset.take(order[:1344]), dataset.take(order[1344:][:questions])
    logits = []
    for number, kind in enumerate(("relu", "tanh")):
        model = build("mlp:32", dataset.shape, dataset.classes, activation=kind)  # type: ignore[arg-type]
        member = Halves()(models=nets // 2, records=len(pool), seed=number)
        ensemble, _ = train_ensemble(model, Recipe(epochs=10), pool, member, seed=number)
        x = np.asarray(asked.x, np.float32) / 127.5 - 1
        logits.append(np.asarray(jax.jit(jax.vmap(model.apply, (0, None)))(ensemble.variables, x)))
    access = Access(level="probability", classes=10, inputs=Inputs.box(0, 255, dataset.shape))
    answers = features(on_terms(np.concatenate(logits), access), "score", 10)
    codes = np.zeros((nets, len(ATTRIBUTES)), np.int32)
    codes[nets // 2 :, 0] = 3
    learnt = np.flatnonzero(rng.permutation(nets) % 2)
    other = np.setdiff1d(np.arange(nets), learnt)
    own = fit_classifier(Perceptron(), answers, codes, learnt, components=256, epochs=60, batch=32)
    right = int((own(answers)[other, 0].argmax(axis=1) == codes[other, 0]).sum())
    low, high = map(float, clopper_pearson(right, len(other)))
    return {"accuracy": right / len(other), "low": low, "high": high, "nets": len(other)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=int, default=32)
    parser.add_argument("--steps", type=int, default=GridRecipe().steps)
    parser.add_argument("--torch", help="a Python that has PyTorch; left out where none is given")
    parser.add_argument("--activation", action="store_true", help="read {relu, tanh} of perceptrons instead")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    recipe = GridRecipe(steps=options.steps)
    if options.activation:
        found: dict[str, Any] = {"activation": activation(options.nets, 100)}
    else:
        found: dict[str, Any] = {"program": program(options.nets, recipe)}
        if options.torch:
            found["loop"] = loop(options.nets, recipe, options.torch)
            found["ratio"] = found["loop"]["seconds"] / found["program"]["seconds"]
        for name in ("program", "loop"):
            if name in found:
                found[name]["nets_an_hour"] = 3600 / found[name]["seconds"]
    document = {"nets": options.nets, "steps": options.steps, **found, "environment": environment()}
    print(json.dumps(document, indent=1))
    if options.json:
        options.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
