"""The rows of the ensemble benchmark that jaxattack's engine trains, and the limit that they are held against."""

from __future__ import annotations

import statistics
from typing import Literal

import numpy as np
from ensemble_workloads import CORES, RATE, Workload, records_of, timed


def scanned_model(work: Workload, repeats: int) -> dict:
    """One model's whole training in one program."""
    return _engine(work, repeats, models=1, devices=1)


def one_device(work: Workload, repeats: int) -> dict:
    """All models on one virtual device."""
    return _engine(work, repeats, models=work.models, devices=1)


def ensemble(work: Workload, repeats: int) -> dict:
    """All models on a virtual device a core."""
    return _engine(work, repeats, models=work.models, devices=CORES)


def lax_conv(work: Workload, repeats: int) -> dict:
    """A model a core, convolutions left to `jax.lax`."""
    return _engine(work, repeats, models=CORES, devices=CORES, conv="lax")


def _engine(work: Workload, repeats: int, models: int, devices: int, conv: Literal["lax"] | None = None) -> dict:
    """Steps a second of so many models on so many virtual devices, and what compiling took."""
    import jax

    jax.config.update("jax_num_cpu_devices", devices)
    from jaxattack import Dataset, Recipe
    from jaxattack.data.designs import Sized
    from jaxattack.models import build
    from jaxattack.training import Engine, Placement, Sweep

    x, y = records_of(work)
    dataset = Dataset(x=x, y=y, classes=work.classes, name="random")
    recipe = Recipe(epochs=work.epochs, batch=work.batch, learning_rate=RATE)
    sweep = Sweep(model=build(work.model, work.shape, work.classes), recipe=recipe)
    member = Sized(members=work.members)(models, work.records, seed=0)
    engine = Engine(sweep, dataset, models=models, slots=work.members, placement=Placement(conv=conv))
    steps = recipe.steps(work.members)
    list(engine.run_all(range(models), member))
    rates = []
    for _ in range(repeats):
        chunks = list(engine.run_all(range(models), member))
        rates.append(models * steps / sum(chunk.train_seconds for chunk in chunks))
    return {
        "compile": engine.compile_seconds,
        "rates": rates,
        "detail": f"{models} models, {devices} devices, chunk {engine.chunk}, vmap {engine.group}",
    }


def matmul_peak(work: Workload, repeats: int) -> dict:  # noqa: ARG001 (every row has the same arguments)
    """Large products a second: the better of NumPy on all cores and JAX on one device a core."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    jax.config.update("jax_num_cpu_devices", CORES)
    size = 2048
    over = NamedSharding(Mesh(np.array(jax.devices()), ("model",)), PartitionSpec("model"))
    random = np.random.default_rng(0)
    many = jax.device_put(random.random((CORES, size, size), np.float32), over)
    product = jax.jit(lambda a: jnp.einsum("mij,mjk->mik", a, a), in_shardings=over, out_shardings=over)
    host = random.random((size, size), np.float32)
    sharded = timed(lambda: jax.block_until_ready(product(many)), CORES, repeats)
    numpy = timed(lambda: host @ host, 1, repeats)
    return {"rates": max(sharded, numpy, key=statistics.median), "flops": 2.0 * size**3}
