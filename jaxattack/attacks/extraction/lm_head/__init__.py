"""The last layer of a language model, stolen from its answers (Carlini et al. 2024)."""

from __future__ import annotations

from jaxattack.attacks.extraction.lm_head.attack import LmHead
from jaxattack.attacks.extraction.lm_head.head import Head, head_model

__all__ = ["Head", "LmHead", "head_model"]
