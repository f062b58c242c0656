"""What may stand for a victim and a method, in the help of the commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import cleandoc

from jaxattack.attacks.architecture import ATTACKS as ARCHITECTURES
from jaxattack.attacks.evasion import ATTACKS as EVASIONS
from jaxattack.attacks.extraction import ATTACKS
from jaxattack.attacks.inversion import ATTACKS as INVERSIONS
from jaxattack.attacks.inversion.gradient import ATTACKS as GRADIENT_INVERSIONS
from jaxattack.attacks.membership.generators import ATTACKS as GENERATORS
from jaxattack.attacks.poisoning import ATTACKS as POISONINGS
from jaxattack.attacks.reconstruction import ATTACKS as RECONSTRUCTIONS
from jaxattack.audit.estimators import ESTIMATORS


def _listed() -> dict[str, str]:
    """Victims and methods, for the help of the commands."""
    architectures = {
        "softmax, mlp:20, cnn:16-32": "a network of this package, trained on the data",
        "dae:1000-300": "such a network of stacked denoising autoencoders",
        **{name: kind.about for name, kind in ESTIMATORS.items()},
        "relu:20-10-1": "a ReLU network with random weights",
        "head:64-1000": "the last layer of a language model with random weights: hidden size, vocabulary",
        "FOLDER": "what `jaxattack train` wrote",
        "FILE.skops, FILE.onnx": "a saved model of scikit-learn or another framework",
        "http://...": "a prediction API, such as `jaxattack serve` is",
    }
    return {
        "VICTIMS": _lines("Victims", architectures),
        "METHODS": _lines("Methods", _abouts(ATTACKS)),
        "EVASIONS": _lines("Methods", _abouts(EVASIONS)),
        "POISONINGS": _lines("Attacks", _abouts(POISONINGS)),
        "ARCHITECTURES": _lines("Methods", _abouts(ARCHITECTURES)),
        "RECONSTRUCTIONS": _lines("Methods", _abouts(RECONSTRUCTIONS)),
        "GENERATORS": _lines("Attacks", _abouts(GENERATORS)),
        "INVERSIONS": _lines("Methods", _abouts({**INVERSIONS, **GRADIENT_INVERSIONS})),
    }


def _abouts(attacks: Mapping[str, object]) -> dict[str, str]:
    return {name: (type(attack).__doc__ or "").splitlines()[0].rstrip(".") for name, attack in attacks.items()}


def _lines(title: str, entries: dict[str, str]) -> str:
    return f"{title}:\n\n" + "\n".join(f"- **{name}**: {about}" for name, about in entries.items())


def explained(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose help lists the victims and the methods."""
    text = cleandoc(command.__doc__ or "")  # Python indents it or not, by its version
    for word, listed in _listed().items():
        text = re.sub(f"^{word}$", listed, text, flags=re.MULTILINE)
    command.__doc__ = text
    return command
