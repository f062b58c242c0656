"""Inverting Gradients as loops that one would write first, for `benchmarks/gradient_inversion.py`."""

# pyright: reportMissingImports=false
# The PyTorch rows are measured where torch is installed.

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from gradient_inversion_problem import CLASSES, RATE, SHAPE, TV

from jaxattack.attacks.inversion.gradient import InvertingGradients, Update
from jaxattack.types import Model, WhiteBox


def torch_network(name: str, params: Any) -> Any:
    """The same network, with the same weights, in PyTorch."""
    import torch
    from torch import nn

    if name == "lenet":
        from gradient_inversion_peer import lenet

        return lenet(tensors(params))
    net = nn.Sequential(nn.Flatten(), nn.Linear(3072, 128), nn.Tanh(), nn.Linear(128, CLASSES))
    # Channels come first in PyTorch's pictures.
    first = np.asarray(params["layers"][0]["kernel"]).reshape(32, 32, 3, 128).transpose(3, 2, 0, 1).reshape(128, -1)
    weights = [first, np.asarray(params["layers"][1]["kernel"]).T]
    flat = [each for i, kernel in enumerate(weights) for each in (kernel, params["layers"][i]["bias"])]
    for parameter, value in zip(net.parameters(), flat, strict=True):
        parameter.data = torch.from_numpy(np.array(value))
    return net


def tensors(params: Any) -> list[np.ndarray]:
    """Weights and biases of the LeNet in PyTorch's order and shapes."""
    head = np.asarray(params["head"]["kernel"]).reshape(8, 8, 12, CLASSES).transpose(3, 2, 0, 1)
    weights = [np.asarray(params["convs"][i]["kernel"]).transpose(3, 2, 0, 1) for i in range(3)]
    biases = [np.asarray(layer["bias"]) for layer in (*(params["convs"][i] for i in range(3)), params["head"])]
    return [each for pair in zip([*weights, head.reshape(CLASSES, -1)], biases, strict=True) for each in pair]


def torch_loop(net: Any, x: np.ndarray, y: np.ndarray, steps: int, restarts: int) -> np.ndarray:
    """Inverting Gradients as a loop."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.manual_seed(0)
    parameters, found = list(net.parameters()), []
    for image, label in zip(torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y), strict=True):
        sent = torch.autograd.grad(cross_entropy(net(image[None]), label[None]), parameters)
        best, kept = float("inf"), image
        for _ in range(restarts):
            z = torch.randn(1, 3, 32, 32).clamp_(-2, 2).requires_grad_()
            optimizer = torch.optim.Adam([z], lr=RATE)
            drops = [int(steps * share) for share in (3 / 8, 5 / 8, 7 / 8)]
            schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, drops, 0.1)
            for _ in range(steps):
                made = torch.autograd.grad(cross_entropy(net(0.5 + z / 4), label[None]), parameters, create_graph=True)
                dot = sum((a * b).sum() for a, b in zip(made, sent, strict=True))
                sizes = sum((a * a).sum() for a in made) * sum((b * b).sum() for b in sent)
                rough = (z[..., 1:, :] - z[..., :-1, :]).abs().mean() + (z[..., 1:] - z[..., :-1]).abs().mean()
                value = 1 - dot / sizes**0.5 + TV * rough
                (z.grad,) = torch.autograd.grad(value, [z])
                if value.item() < best:
                    best, kept = value.item(), (0.5 + z / 4).detach()[0].clone()
                z.grad.sign_()
                optimizer.step()
                schedule.step()
                with torch.no_grad():
                    z.clamp_(-2, 2)
        found.append(kept.permute(1, 2, 0).numpy())
    return np.stack(found)


@partial(jax.jit, static_argnums=(0, 1))
def _step(model: Model, steps: int, variables: Any, sent: Any, target: Any, z: Any, moved: Any) -> Any:
    def cost(z):
        def loss(params):
            return -jnp.sum(target * jax.nn.log_softmax(model.apply(variables._replace(params=params), 0.5 + z / 4)))

        made = jax.grad(loss)(variables.params)
        dot, own, theirs = (
            sum(jnp.vdot(u, v) for u, v in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
            for a, b in ((made, sent), (made, made), (sent, sent))
        )
        rough = jnp.abs(jnp.diff(z, axis=1)).mean() + jnp.abs(jnp.diff(z, axis=2)).mean()
        return 1 - dot / jnp.sqrt(own * theirs) + TV * rough

    value, gradient = jax.value_and_grad(cost)(z)
    change, moved = _adam(steps).update(jnp.sign(gradient), moved)
    return jnp.clip(z + change, -2, 2), moved, value


def _adam(steps: int) -> optax.GradientTransformation:
    drops = {int(steps * share): 0.1 for share in (3 / 8, 5 / 8, 7 / 8)}
    return optax.adam(optax.piecewise_constant_schedule(RATE, drops))


def jit_loop(box: WhiteBox, update: Update, y: np.ndarray, steps: int, restarts: int) -> np.ndarray:
    """The loop in JAX, a compiled step at a time."""
    found = []
    for user, label in enumerate(y):
        sent = jax.tree.map(lambda leaf, user=user: jnp.asarray(leaf[user]), update.sent)
        best, kept = np.inf, np.zeros(SHAPE, np.float32)
        for restart in range(restarts):
            z = jnp.clip(jax.random.normal(jax.random.key(user * restarts + restart), (1, *SHAPE)), -2, 2)
            moved = _adam(steps).init(z)
            for _ in range(steps):
                before = z
                z, moved, value = _step(
                    box.model, steps, box.variables, sent, jax.nn.one_hot(jnp.array([label]), CLASSES), z, moved
                )
                if float(value) < best:
                    best, kept = float(value), np.asarray(0.5 + before[0] / 4)
        found.append(kept)
    return np.stack(found)


def one_scanned(box: WhiteBox, update: Update, attack: InvertingGradients) -> np.ndarray:
    """One image and one restart at a time, through the package."""
    found, single = [], replace(attack, restarts=1)
    for user in range(update.users):
        sent = jax.tree.map(lambda leaf, user=user: leaf[user : user + 1], update.sent)
        alone = Update(
            sent=sent, terms=update.terms, label=None if update.label is None else update.label[user : user + 1]
        )
        tries = [single(box, alone, seed=seed) for seed in range(attack.restarts)]
        found.append(max(tries, key=lambda each: float(each.score[0, 0])).x[0])
    return np.stack(found)
