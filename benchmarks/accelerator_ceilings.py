"""What the device can do at most: FLOP/s of a large product, and bytes a second of a copy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from accelerator_options import CONSOLE, spread, timed
from kinds import CPU
from rich.table import Table

PRODUCTS = {
    "bfloat16": (jnp.bfloat16, "default"),
    "float32": (jnp.float32, "default"),
    "float32 exact": (jnp.float32, "highest"),
}


def ceilings(repeats: int) -> dict[str, Any]:
    """FLOP/s of a large product by precision, and bytes a second of a copy; on random numbers."""
    size, copied = (1024, 2**26) if CPU else (8192, 2**31)
    random = jax.random.normal(jax.random.key(0), (size, size))
    limits: dict[str, Any] = {"matrix": size, "copied_bytes": copied}
    for name, (dtype, precision) in PRODUCTS.items():
        a = random.astype(dtype)
        product = jax.jit(lambda a, precision=precision: jnp.matmul(a, a, precision=precision))
        limits[name] = spread([2.0 * size**3 / each for each in timed(lambda f=product, a=a: f(a), repeats)])
    many = jnp.ones(copied // 4, jnp.float32)
    copy = jax.jit(lambda many: many * 1.5)
    limits["copy"] = spread([2.0 * copied / each for each in timed(lambda: copy(many), repeats)])
    show(limits)
    return limits


def show(limits: dict[str, Any]) -> None:
    """Print the ceilings."""
    table = Table(title="Ceilings", title_justify="left")
    for column in ("what", "median", "low - high", "n"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name in (*PRODUCTS, "copy"):
        unit, each = ("GB/s" if name == "copy" else "TFLOP/s"), limits[name]
        scale = 1e-9 if name == "copy" else 1e-12
        median, low, high = (f"{each[key] * scale:,.2f}" for key in ("median", "low", "high"))
        table.add_row(name, f"{median} {unit}", f"{low} - {high}", str(each["n"]))
    CONSOLE.print(table)
