"""The informed adversary on MNIST (Balle, Cherubin and Hayes 2022): the one record that is not known, off the weights.

    python scripts/informed.py mnist.npz

The file holds x, images of 0 to 255, and y, their labels. Each network of 10 tanh units trains on the same 200 records
and one more, by full-batch gradient descent from a start that the adversary knows. The figure is how many of the
reconstructions are closer than the nearest of all other records that the adversary has.
"""

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxattack import Dataset, Recipe
from jaxattack.attacks.reconstruction import Reconstructor, fixed_start, nearest_other, train_shadows
from jaxattack.models import build


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="mnist.npz")
    parser.add_argument("--fixed", type=int, default=200, help="records that are known")
    parser.add_argument("--shadows", type=int, default=4000)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--training", type=int, default=40, help="full-batch steps of each network")
    parser.add_argument("--epochs", type=int, default=25, help="of the reconstructor")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with np.load(options.data) as file:
        x, y = file["x"], file["y"].astype(int)
    index = np.random.default_rng(options.seed).permutation(len(x))[: options.fixed + options.shadows + options.targets]
    records = (x[index].reshape(len(index), -1) / 255).astype(np.float32)
    dataset = Dataset(x=records, y=y[index], classes=10, name=options.data.name)
    fixed, others = dataset.take(np.arange(options.fixed)), dataset.take(np.arange(options.fixed, len(index)))
    model = fixed_start(build("mlp:10", fixed.shape, 10, activation="tanh"), options.seed)
    recipe = Recipe(epochs=options.training, batch=options.fixed + 1, optimizer="sgd", learning_rate=0.3, momentum=0.9)
    begin = time.process_time()
    shadows = train_shadows(model, recipe, fixed, others, seed=options.seed)
    trained = time.process_time()
    lessons, targets = np.arange(options.shadows), np.arange(options.shadows, len(others))
    reader = Reconstructor(epochs=options.epochs).fit(
        jax.tree.map(lambda leaf: leaf[lessons], shadows), others.x[lessons], seed=options.seed
    )
    value = reader(jax.tree.map(lambda leaf: leaf[targets], shadows))
    done = time.process_time()
    error = ((value - others.x[targets]) ** 2).mean(axis=1)
    nearest = nearest_other(others.x[targets], np.concatenate([fixed.x, others.x[lessons]]))
    first = jax.tree.map(lambda leaf: leaf[targets[0]], shadows)
    right = (np.asarray(model.apply(first, jnp.asarray(fixed.x))).argmax(axis=1) == fixed.y).mean()
    print(f"closer than the nearest other record: {(error < nearest).mean():.1%} of {len(targets)} targets")
    print(f"median square error {np.median(error):.4f}; of the nearest other record {np.median(nearest):.4f}")
    print(f"a network is right about {right:.1%} of its fixed records")
    print(
        f"CPU-seconds: {trained - begin:.0f} for {len(others):,} networks, {done - trained:.0f} for the reconstructor"
    )


if __name__ == "__main__":
    main()
