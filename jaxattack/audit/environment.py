"""On what a result was measured: versions, devices, memory. A figure without these cannot be compared."""

from __future__ import annotations

import platform
import resource
import sys
from pathlib import Path

import jax

from jaxattack.release import release
from jaxattack.training.placement import Placement


def environment() -> dict[str, str]:
    """Versions of everything that decides a result."""
    packages = ("jaxattack", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "scikit-learn")
    return {name: release(name) for name in packages} | {
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def device() -> str:
    """The local devices in words, as "2 x cpu (AMD EPYC)"."""
    devices = jax.local_devices()
    kind = devices[0].device_kind if devices[0].platform != "cpu" else _processor()
    return f"{len(devices)} x {devices[0].platform} ({kind})"


def trainer(placement: Placement) -> str:
    """What trains models, in words: the devices, how work is placed on them, and the versions. Of a run folder that was gone on with
    under others it tells all."""
    return f"{device()}, {placement}, jaxattack {release('jaxattack')}, jax {release('jax')}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory() -> int:
    """The most memory in bytes that this process held at once: on the host, and on accelerators beside it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    host = peak if sys.platform == "darwin" else peak * 1024
    stats = [device.memory_stats() or {} for device in jax.local_devices() if device.platform != "cpu"]
    return host + sum(s.get("peak_bytes_in_use", 0) for s in stats)
