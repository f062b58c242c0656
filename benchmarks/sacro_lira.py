"""SACRO-ML's likelihood ratio attack, for `benchmarks/price.py`, which runs it where that is installed.

    python benchmarks/sacro_lira.py work.json

The file names an .npz of x and y, the width of a perceptron, its recipe, how many shadow models, and where the report goes. One
perceptron of scikit-learn learns half of the records and is the target; the toolbox trains its shadow models on halves of all of
them, keeps them in the folder that this is called in, and writes its own report, JSON and PDF, there as well. The target and
the shadow models have the recipe, all its epochs: scikit-learn's own rule of when to stop is off.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from sacroml.attacks.likelihood_attack import LIRAAttack
from sacroml.attacks.target import Target
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier


def main() -> None:
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    work = json.loads(Path(sys.argv[1]).read_text())
    file = np.load(work["data"])
    x, y = (
        file["x"].astype(np.float64),
        file["y"].astype(np.int64),
    )  # of float32 its logits are infinite where a confidence is 1
    order = np.random.default_rng(work["seed"]).permutation(len(x))
    inside, outside = np.array_split(order, 2)
    model = MLPClassifier(
        hidden_layer_sizes=(int(work["model"].partition(":")[2]),),
        batch_size=work["batch"],
        learning_rate_init=work["rate"],
        max_iter=work["epochs"],
        alpha=0.0,
        tol=0.0,
        n_iter_no_change=work["epochs"] + 1,
        random_state=work["seed"],
    ).fit(x[inside], y[inside])
    target = Target(
        model=model, X_train=x[inside], y_train=y[inside], X_test=x[outside], y_test=y[outside], dataset_name="records"
    )
    attack = LIRAAttack(output_dir="outputs", n_shadow_models=work["models"], mode="online-carlini")
    output = attack.attack(target)
    found = output["attack_experiment_logger"]["attack_instance_logger"]["instance_0"]
    accuracy = float(model.score(x[outside], y[outside]))
    Path(work["out"]).write_text(json.dumps({"test_accuracy": accuracy, "auc": float(found["AUC"])}))


if __name__ == "__main__":
    main()
