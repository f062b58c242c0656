"""The victim from outside: oracles that count what is asked of them, and wrappers that defend, limit, check and keep."""

from __future__ import annotations

from jaxattack.oracle.check import Checked, checked
from jaxattack.oracle.defend import defended, label_only, noisy, rounded, tempered, top_k
from jaxattack.oracle.encryption import CKKS, encrypted
from jaxattack.oracle.foreign import from_estimator, from_skops
from jaxattack.oracle.journal import Journalled, journalled
from jaxattack.oracle.language import from_head, random_head
from jaxattack.oracle.ledger import PRICE, CountingOracle
from jaxattack.oracle.local import from_function, from_model
from jaxattack.oracle.onnx import from_onnx
from jaxattack.oracle.onnx_network import network_of
from jaxattack.oracle.pipeline import BinnedLogistic
from jaxattack.oracle.prada import DETECTORS, PRADA, Watched, watched
from jaxattack.oracle.proof_of_work import Expected, NeighbourVotes, ProofOfWork, calibrate_work, priced
from jaxattack.oracle.quota import Budgeted, budgeted, cached, limited
from jaxattack.oracle.remote import connect

__all__ = [
    "CKKS",
    "DETECTORS",
    "PRADA",
    "PRICE",
    "BinnedLogistic",
    "Budgeted",
    "Checked",
    "CountingOracle",
    "Expected",
    "Journalled",
    "NeighbourVotes",
    "ProofOfWork",
    "Watched",
    "budgeted",
    "cached",
    "calibrate_work",
    "checked",
    "connect",
    "defended",
    "encrypted",
    "from_estimator",
    "from_function",
    "from_head",
    "from_model",
    "from_onnx",
    "from_skops",
    "journalled",
    "label_only",
    "limited",
    "network_of",
    "noisy",
    "priced",
    "random_head",
    "rounded",
    "tempered",
    "top_k",
    "watched",
]
