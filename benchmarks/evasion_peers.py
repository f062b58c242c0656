"""The attacks of other tools, for `benchmarks/evasion.py`, which runs this where they are installed.

    python benchmarks/evasion_peers.py network.npz peers.json

The first file holds a network of two dense layers (w1, b1, w2, b2) on pixels from -1 to 1, records x from 0 to 1 with labels y, and
how the attacks are set. The second gets, by tool and attack, what `benchmarks/evasion.py` tells of its own.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
import foolbox  # noqa: E402  # pyright: ignore[reportMissingImports]
import torch  # noqa: E402  # pyright: ignore[reportMissingImports]
from art.attacks.evasion import (  # noqa: E402  # pyright: ignore[reportMissingImports]
    HopSkipJump,
    ProjectedGradientDescent,
    SquareAttack,
)
from art.estimators.classification import PyTorchClassifier  # noqa: E402  # pyright: ignore[reportMissingImports]


class Network(torch.nn.Module):
    """The network, which counts the records that it is asked about."""

    def __init__(self, file):
        super().__init__()
        self.first, self.last = (torch.nn.Linear(*file[name].shape) for name in ("w1", "w2"))
        with torch.no_grad():
            for layer, number in ((self.first, 1), (self.last, 2)):
                layer.weight.copy_(torch.tensor(file[f"w{number}"].T))
                layer.bias.copy_(torch.tensor(file[f"b{number}"]))
        self.questions = 0

    def forward(self, x):
        """Logits; the toolbox starts in float64."""
        self.questions += len(x)
        return self.last(torch.relu(self.first(2 * x.float().flatten(1) - 1)))


def measure(network, attack, x, y, repeats, settings):
    """Runs of an attack after one that warms up, and what they found."""
    seconds, processor, success, l2, linf = [], [], [], [], []
    for number in range(1 + repeats):
        torch.manual_seed(number)
        np.random.seed(number)  # noqa: NPY002 (the toolbox draws from it)
        network.questions, begin, used = 0, time.perf_counter(), time.process_time()
        example = attack(x, y)
        spent, ticks, questions = time.perf_counter() - begin, time.process_time() - used, network.questions / len(x)
        with torch.no_grad():
            fooled = (network(torch.as_tensor(example)).argmax(1) != torch.as_tensor(y)).numpy()
        change = (np.asarray(example) - x).reshape(len(x), -1)[fooled]
        if number:
            seconds.append(spent)
            processor.append(ticks)
            success.append(float(fooled.mean()))
            l2.append(float(np.median(np.linalg.norm(change, axis=1))))
            linf.append(float(np.median(np.abs(change).max(axis=1))))
    return {
        "settings": settings, "records": len(x), "seconds": seconds, "processor_seconds": processor,
        "success": float(np.median(success)), "questions": questions,
        "l2": float(np.median(l2)), "linf": float(np.median(linf)),
    }  # fmt: skip


def main():
    file = np.load(sys.argv[1])
    network = Network(file).eval()
    x, y = file["x"].transpose(0, 3, 1, 2).copy(), file["y"].astype(np.int64)
    size, steps, rate, repeats, few = (file[name].item() for name in ("size", "steps", "rate", "repeats", "few"))
    model = foolbox.PyTorchModel(network, bounds=(0, 1))
    classifier = PyTorchClassifier(
        network, loss=torch.nn.CrossEntropyLoss(), input_shape=x.shape[1:], nb_classes=10, clip_values=(0.0, 1.0)
    )

    def by_foolbox(attack, **options):
        def run(x, y):
            wrong = foolbox.criteria.Misclassification(torch.as_tensor(y))
            return attack.run(model, torch.as_tensor(x), wrong, **options).numpy()

        return lambda settings: measure(network, run, x, y, repeats, settings)

    def by_toolbox(attack, records=None):
        def run(x, y):
            return attack.generate(x, y=np.eye(10, dtype=np.float32)[y])

        return lambda settings: measure(network, run, x[:records], y[:records], repeats, settings)

    results = {"foolbox": {"pgd": [], "hopskipjump": []}, "toolbox": {"square": [], "pgd": [], "hopskipjump": []}}
    pgd = by_foolbox(foolbox.attacks.LinfPGD(abs_stepsize=rate, steps=steps), epsilon=size)
    results["foolbox"]["pgd"].append(pgd({"steps": steps}))
    pgd = ProjectedGradientDescent(
        classifier, eps=size, eps_step=rate, max_iter=steps, num_random_init=1, batch_size=256, verbose=False
    )
    results["toolbox"]["pgd"].append(by_toolbox(pgd)({"steps": steps}))
    for iterations, probes, gamma in file["foolbox_settings"]:
        walk = foolbox.attacks.HopSkipJumpAttack(
            steps=int(iterations), initial_gradient_eval_steps=int(probes), gamma=float(gamma)
        )
        settings = {"iterations": int(iterations), "probes": int(probes), "gamma": float(gamma)}
        results["foolbox"]["hopskipjump"].append(by_foolbox(walk)(settings))
    for iterations, probes in file["toolbox_settings"]:
        walk = HopSkipJump(
            classifier, batch_size=256, max_iter=int(iterations), max_eval=10_000, init_eval=int(probes), verbose=False
        )
        settings = {"iterations": int(iterations), "probes": int(probes)}
        results["toolbox"]["hopskipjump"].append(by_toolbox(walk, few)(settings))
    for squares in file["squares"]:
        search = SquareAttack(classifier, eps=size, max_iter=int(squares), nb_restarts=1, batch_size=256, verbose=False)
        results["toolbox"]["square"].append(by_toolbox(search)({"squares": int(squares)}))
    versions = {name: version(name) for name in ("torch", "foolbox", "adversarial-robustness-toolbox", "numpy")}
    Path(sys.argv[2]).write_text(json.dumps({"peers": results, "versions": versions}))


if __name__ == "__main__":
    main()
