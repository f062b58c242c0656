"""The rows of the ensemble benchmark that train one model after another, in JAX, in Flax and in PyTorch."""

# pyright: reportMissingImports=false
# The PyTorch rows are measured where torch is installed.

from __future__ import annotations

import time

import numpy as np
from ensemble_workloads import CORES, RATE, Workload, records_of, timed


def step_loop(work: Workload, repeats: int) -> dict:
    """A Python loop over a step in `jax.jit` on plain pytrees."""
    import jax
    import jax.numpy as jnp
    import optax

    from jaxattack.models import build
    from jaxattack.types import Variables

    model = build(work.model, work.shape, work.classes)
    change = optax.adam(RATE)
    x, y = (jnp.asarray(part) for part in records_of(work))

    @jax.jit
    def step(params, rest, state, index, key):
        def loss(params):
            logits, new = model.forward(Variables(params, rest), x[index], key)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y[index]).mean(), new

        gradient, new = jax.grad(loss, has_aux=True)(params)
        updates, state = change.update(gradient, state)
        return optax.apply_updates(params, updates), new, state

    key, random = jax.random.key(0), np.random.default_rng(0)
    start = model.init(key)
    epochs = max(1, work.epochs // 5)
    begin = time.perf_counter()
    step.lower(start.params, start.rest, change.init(start.params), jnp.arange(work.batch), key).compile()
    compiling = time.perf_counter() - begin

    def run():
        params, rest, state = start.params, start.rest, change.init(start.params)
        for _ in range(epochs):
            order = random.permutation(work.members).reshape(-1, work.batch)
            for index in order:
                params, rest, state = step(params, rest, state, index, key)
        jax.block_until_ready(params)

    return {"compile": compiling, "rates": timed(run, epochs * work.members // work.batch, repeats)}


def nnx_loop(work: Workload, repeats: int) -> dict:
    """A Python loop over a step in `nnx.jit` with `nnx.Optimizer`."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    from jaxattack.models.nets import CNN, MLP

    def build(rngs):
        sizes = tuple(int(size) for size in work.model.partition(":")[2].split("-"))
        if work.model.startswith("cnn"):
            height, width, channels = work.shape
            return CNN((height, width, channels), work.classes, sizes, "relu", 0.0, rngs)
        return MLP((*work.shape, *sizes, work.classes), "relu", 0.0, rngs)

    model = build(nnx.Rngs(0))
    change = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    x, y = (jnp.asarray(part) for part in records_of(work))

    @nnx.jit
    def step(model, change, index):
        def loss(model):
            return optax.softmax_cross_entropy_with_integer_labels(model(x[index]), y[index]).mean()

        change.update(model, nnx.grad(loss)(model))

    random = np.random.default_rng(0)
    epochs = max(1, work.epochs // 5)

    def run():
        for _ in range(epochs):
            for index in random.permutation(work.members).reshape(-1, work.batch):
                step(model, change, index)
        jax.block_until_ready(nnx.state(model, nnx.Param))

    return {"rates": timed(run, epochs * work.members // work.batch, repeats)}


def torch_loop(work: Workload, repeats: int, threads: int, seconds: float = 0.0) -> dict:
    """A PyTorch loop; for so many seconds at the least, where it runs beside others."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(threads)
    x, y = (torch.from_numpy(part) for part in records_of(work))
    if work.model.startswith("cnn"):
        x = x.permute(0, 3, 1, 2).contiguous()
        layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1)]
        layers += [nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(7 * 7 * 32, work.classes)]
    else:
        width = int(work.model.partition(":")[2])
        layers = [nn.Linear(work.shape[0], width), nn.ReLU(), nn.Linear(width, work.classes)]
    net = nn.Sequential(*layers)
    change = torch.optim.Adam(net.parameters(), RATE, fused=True)
    epochs = max(1, work.epochs // 5)

    def run():
        for _ in range(epochs):
            for index in torch.randperm(work.members).split(work.batch):
                change.zero_grad(set_to_none=True)
                functional.cross_entropy(net(x[index]), y[index]).backward()
                change.step()

    steps = epochs * work.members // work.batch
    if seconds:  # beside other processes: run for a time, so that all of them overlap
        run()
        begin, done = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            run()
            done += steps
        return {"rates": [done / (time.perf_counter() - begin)]}
    return {"rates": timed(run, steps, repeats), "detail": f"{threads} threads"}


def torch_threads(work: Workload, repeats: int) -> dict:
    """A PyTorch loop with all threads."""
    return torch_loop(work, repeats, CORES)


def torch_process(work: Workload, repeats: int) -> dict:  # noqa: ARG001 (every row has the same arguments)
    """One of the PyTorch loops that run at the same time, a core each."""
    return torch_loop(work, 1, 1, seconds=4.0) | {"detail": f"{CORES} processes, 1 thread each"}
