"""A prediction API as an oracle: `connect` over HTTP to what `jaxattack.serve` serves.

client   asking: retries, budgets, the ledger
wire     the bodies, shared with the server
npy      arrays in bodies of unknown origin
"""

from __future__ import annotations

from jaxattack.oracle.remote.client import Remote, connect

__all__ = ["Remote", "connect"]
