"""How a sweep is cut into programs: what changes speed and memory, and results by rounding at most."""

from __future__ import annotations

from dataclasses import asdict
from typing import get_args

from jaxattack.models.conv import Form
from jaxattack.types import InputError, config


@config
class Placement:
    """How the work is cut. It changes speed and memory, and results by rounding at most.

    On a CPU a network of dense layers learns the same bit for bit with any ``chunk`` and ``vmap`` and on any number of devices,
    and phi differs by less than 1e-5 with another ``block``. With convolutions that is so on two threads; from four on XLA
    splits the sum of a weight gradient by another rule for one model than for several, a difference in the last place that
    reached 3e-6 in phi after 10 epochs of cnn:16-32 on digits. Another ``conv`` adds in another order, which training
    lets grow: ``lax`` and ``mixed`` then differ by 1e-4 on average and by .005 at most. On an accelerator ``vmap`` does so too. Every
    chunk of a run folder records what it was made with.

    On a CPU what is left open follows from figures measured before; on an accelerator the engine measures a few ways on
    the device itself, and takes the fastest (`jaxattack.training.tuning`).

    Attributes:
        chunk: models a compiled program handles, rounded up to fill every device; by default about a sixteenth of the run.
            Chunks are evened out: 33 models in chunks of at most 32 are 17 and 16, and 1,000 on two cores 25 of 40, which
            leave no place to spare, where 16 of 64 leave 24.
        vmap: models a device handles at the same time; by default 1 for convolutions and 2 for other networks on a
            CPU, and measured on an accelerator.
        conv: how convolutions are computed: lax, patches or mixed (`jaxattack.models.conv`); by default mixed on a CPU, and
            measured on an accelerator. Another form rounds otherwise, which training lets grow.
        block: records that a model is asked about at once; by default 1024 on a CPU, and measured on an accelerator.

    ``chunk``, and a ``vmap`` that is not given, are halved until the program fits into free memory.

    Raises:
        InputError: less than 1, or an unknown form.

    Example:
        >>> Placement(chunk=16, vmap=2).chunk
        16
    """

    chunk: int | None = None
    vmap: int | None = None
    conv: Form | None = None
    block: int | None = None

    def __post_init__(self) -> None:
        for name, unit in (("chunk", "models"), ("vmap", "models"), ("block", "records")):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}: give 1 or more {unit}.")
        if self.conv not in (None, *get_args(Form)):
            raise InputError(f"conv is {self.conv!r}: give one of {', '.join(get_args(Form))}.")

    def __str__(self) -> str:
        """What is settled, in words: chunk 16, vmap 2, conv mixed, block 1024."""
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items() if value is not None)
