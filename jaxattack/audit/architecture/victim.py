"""A network of the zoo itself as a victim, whose attributes are known: what an audit is tried on, and judged by."""

from __future__ import annotations

import jax
import numpy as np

from jaxattack.attacks.architecture import Zoo
from jaxattack.audit.architecture.zoo_folder import Records
from jaxattack.audit.victim import Victim
from jaxattack.audit.victim_names import network_victim
from jaxattack.models.attribute_grid import ATTRIBUTES, Codes, network_model
from jaxattack.oracle import PRICE
from jaxattack.training.grid import share_of
from jaxattack.types import Level, Variables


def zoo_victim(zoo: Zoo, net: int, records: Records, *, level: Level | None = None, price: float = PRICE) -> Victim:
    """A network that answers, and of which an attack knows nothing else.

    Args:
        zoo: which has it.
        net: its place there; an attack must not learn from it.
        records: on which the zoo is trained.
        level: how much it answers; confidences by default.
        price: of a query.
    """
    codes = tuple(int(code) for code in zoo.codes[net])
    weights = jax.tree.map(lambda leaf: leaf[net], zoo.weights)
    dataset = records.pool.extend(records.fresh.x, records.fresh.y, kind="fresh")
    member = np.zeros(len(dataset), bool)
    member[share_of(Codes(*codes).data, len(records.pool))] = True
    values = (f"{attribute.name} {attribute.values[code]}" for attribute, code in zip(ATTRIBUTES, codes, strict=True))
    return network_victim(
        f"a network of the grid on {dataset.name} ({', '.join(values)})", network_model(zoo.network, codes),
        Variables(weights, {}), dataset, member, level=level, price=price,
    )  # fmt: skip
