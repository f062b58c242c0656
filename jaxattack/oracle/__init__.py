"""The victim from outside: oracles that count what is asked of them, and wrappers that defend, limit, check and keep.

A name is imported when it is first asked for: who asks a network of this package needs no reader of other frameworks' files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxattack.lazy import attributes

if TYPE_CHECKING:
    from jaxattack.oracle.check import Checked as Checked
    from jaxattack.oracle.check import checked as checked
    from jaxattack.oracle.defend import defended as defended
    from jaxattack.oracle.defend import label_only as label_only
    from jaxattack.oracle.defend import noisy as noisy
    from jaxattack.oracle.defend import rounded as rounded
    from jaxattack.oracle.defend import tempered as tempered
    from jaxattack.oracle.defend import top_k as top_k
    from jaxattack.oracle.encryption import CKKS as CKKS
    from jaxattack.oracle.encryption import encrypted as encrypted
    from jaxattack.oracle.journal import Journalled as Journalled
    from jaxattack.oracle.journal import journalled as journalled
    from jaxattack.oracle.language import from_head as from_head
    from jaxattack.oracle.language import random_head as random_head
    from jaxattack.oracle.ledger import PRICE as PRICE
    from jaxattack.oracle.ledger import CountingOracle as CountingOracle
    from jaxattack.oracle.local import from_function as from_function
    from jaxattack.oracle.local import from_model as from_model
    from jaxattack.oracle.onnx import from_onnx as from_onnx
    from jaxattack.oracle.onnx_network import network_of as network_of
    from jaxattack.oracle.pipeline import BinnedLogistic as BinnedLogistic
    from jaxattack.oracle.prada import DETECTORS as DETECTORS
    from jaxattack.oracle.prada import PRADA as PRADA
    from jaxattack.oracle.prada import Watched as Watched
    from jaxattack.oracle.prada import watched as watched
    from jaxattack.oracle.proof_of_work import Expected as Expected
    from jaxattack.oracle.proof_of_work import NeighbourVotes as NeighbourVotes
    from jaxattack.oracle.proof_of_work import ProofOfWork as ProofOfWork
    from jaxattack.oracle.proof_of_work import calibrate_work as calibrate_work
    from jaxattack.oracle.proof_of_work import priced as priced
    from jaxattack.oracle.quota import Budgeted as Budgeted
    from jaxattack.oracle.quota import budgeted as budgeted
    from jaxattack.oracle.quota import cached as cached
    from jaxattack.oracle.quota import limited as limited
    from jaxattack.oracle.remote import connect as connect
    from jaxattack.oracle.sklearn import from_estimator as from_estimator
    from jaxattack.oracle.sklearn import from_skops as from_skops

_HOMES = {
    "BinnedLogistic": "jaxattack.oracle.pipeline",
    "Budgeted": "jaxattack.oracle.quota",
    "CKKS": "jaxattack.oracle.encryption",
    "Checked": "jaxattack.oracle.check",
    "CountingOracle": "jaxattack.oracle.ledger",
    "DETECTORS": "jaxattack.oracle.prada",
    "Expected": "jaxattack.oracle.proof_of_work",
    "Journalled": "jaxattack.oracle.journal",
    "NeighbourVotes": "jaxattack.oracle.proof_of_work",
    "PRADA": "jaxattack.oracle.prada",
    "PRICE": "jaxattack.oracle.ledger",
    "ProofOfWork": "jaxattack.oracle.proof_of_work",
    "Watched": "jaxattack.oracle.prada",
    "budgeted": "jaxattack.oracle.quota",
    "cached": "jaxattack.oracle.quota",
    "calibrate_work": "jaxattack.oracle.proof_of_work",
    "checked": "jaxattack.oracle.check",
    "connect": "jaxattack.oracle.remote",
    "defended": "jaxattack.oracle.defend",
    "encrypted": "jaxattack.oracle.encryption",
    "from_estimator": "jaxattack.oracle.sklearn",
    "from_function": "jaxattack.oracle.local",
    "from_head": "jaxattack.oracle.language",
    "from_model": "jaxattack.oracle.local",
    "from_onnx": "jaxattack.oracle.onnx",
    "from_skops": "jaxattack.oracle.sklearn",
    "journalled": "jaxattack.oracle.journal",
    "label_only": "jaxattack.oracle.defend",
    "limited": "jaxattack.oracle.quota",
    "network_of": "jaxattack.oracle.onnx_network",
    "noisy": "jaxattack.oracle.defend",
    "priced": "jaxattack.oracle.proof_of_work",
    "random_head": "jaxattack.oracle.language",
    "rounded": "jaxattack.oracle.defend",
    "tempered": "jaxattack.oracle.defend",
    "top_k": "jaxattack.oracle.defend",
    "watched": "jaxattack.oracle.prada",
}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = attributes(__name__, _HOMES)
