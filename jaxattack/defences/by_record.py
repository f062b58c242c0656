"""Random numbers that belong to a record: the same whenever it is asked, from a hash of its float32 bits.

They are the same in NumPy and in JAX but for rounding, so that one defence serves sweeps and oracles. The hash is
multilinear in scrambled 32-bit words (Carter and Wegman 1979), the scrambling that of MurmurHash3: it spreads records, and is
no cryptographic secret.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_GOLDEN = np.uint32(0x9E3779B9)


def hashed(x: Any, salt: Any) -> Any:
    """A 32-bit number of each record; -0 and 0 are the same value.

    Args:
        x: ["record *feature"], an array of NumPy or JAX.
        salt: uint32, of whoever hashes.
    """
    xp = x.__array_namespace__()
    words = (x.reshape(x.shape[0], -1).astype(xp.float32) + xp.float32(0)).view(xp.uint32)
    place = xp.arange(1, words.shape[1] + 1, dtype=xp.uint32) * _GOLDEN
    odd = mix(xp, place + xp.asarray(salt, dtype=xp.uint32)[None]) | xp.uint32(1)
    return mix(xp, (mix(xp, words + place[None]) * odd[None]).sum(axis=1, dtype=xp.uint32))


def mix(xp: Any, h: Any) -> Any:
    """32-bit words scrambled, one to one: the finaliser of MurmurHash3."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ (h >> xp.uint32(shift))) * xp.uint32(factor)
    return h ^ (h >> xp.uint32(16))


def uniform(h: Any, count: int) -> Any:
    """Float32["record count"], above 0 and at most 1, of each record's hash."""
    xp = h.__array_namespace__()
    lane = xp.arange(1, count + 1, dtype=xp.uint32) * _GOLDEN
    bits = mix(xp, mix(xp, h[:, None] + lane[None]) ^ lane[None])
    return ((bits >> xp.uint32(8)).astype(xp.float32) + 1) * xp.float32(2.0**-24)


def normal(h: Any, count: int) -> Any:
    """Float32["record count"], standard normal up to 5.8 standard deviations, of each record's hash (Box and Muller 1958)."""
    xp = h.__array_namespace__()
    pairs = uniform(h, 2 * count)
    radius = xp.sqrt(-2 * xp.log(pairs[:, :count]))
    return radius * xp.cos(xp.float32(2 * np.pi) * pairs[:, count:])
