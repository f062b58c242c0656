"""A linear model that answers encrypted questions (CKKS, Cheon et al. 2017, by TenSEAL; the extra `encrypted`).

    client      encrypts a batch of questions, sends them, and decrypts what comes back; it alone has the secret key
    service     has the weights, computes x W + b on what it cannot read, and sends that back
    ledger      counts the bytes that travel both ways, the public context among them

The two talk in bytes, as they would over a network, so that each has no more than it could have there. Encryption hides the
question from the service. It hides nothing of the model from whoever asks, who reads every answer: d + 1 of them give all weights.
It hides the questions from `PRADA` as well, and no defence can change an answer that the service cannot read.

A feature of all questions is one ciphertext, its slots the questions, up to half of the ring's degree at once: one question
takes as many bytes and as long as all of these. What comes back is the answer up to CKKS's own error, fresh each time, some 1e-6 with
the defaults; the terms say float32. Numbers that would wrap round in the ring (`CKKS.largest`) are refused.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.oracle.identity import fingerprint_of
from jaxattack.oracle.ledger import PRICE, CountingOracle
from jaxattack.release import installation
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, config


@config
class CKKS:
    """Parameters of the scheme.

    Attributes:
        degree: of the ring's polynomials, a power of two.
        chain: bits of the primes whose product is the modulus of ciphertexts; the library refuses what is not safe to 128 bits.
        scale: bits by which numbers are multiplied before they are rounded; the error of answers falls as it grows.

    Raises:
        InputError: a value out of range.
    """

    paper: ClassVar[str] = "Cheon et al. 2017"

    degree: int = 8192
    chain: tuple[int, ...] = (60, 40, 60)
    scale: int = 40

    @property
    def largest(self) -> float:
        """The size from which on a product wraps round: it has the scale twice, and the last prime is for keys alone."""
        return 2.0 ** (sum(self.chain[:-1]) - 2 * self.scale - 1)

    def __post_init__(self) -> None:
        if not (1024 <= self.degree <= 32768 and self.degree.bit_count() == 1):
            raise InputError(f"degree is {self.degree}: give a power of two from 1,024 to 32,768.")
        if len(self.chain) < 2 or not all(2 <= bits <= 60 for bits in self.chain):
            raise InputError(f"chain is {self.chain}: give two or more sizes of primes, of 2 to 60 bits.")
        if not 1 <= self.scale <= 60:
            raise InputError(f"scale is {self.scale}: give 1 to 60 bits.")


def encrypted(
    weight: Float[np.ndarray, "feature cls"],
    offset: Float[np.ndarray, "cls"],
    *,
    inputs: Inputs,
    scheme: CKKS | None = None,
    price: float = PRICE,
) -> Encrypted:
    """A linear or softmax model whose questions and answers are encrypted; what is decrypted are logits.

    Args:
        weight: the model's.
        offset: the model's.
        inputs: the records that it takes.
        scheme: of encryption; None for `CKKS` with its defaults.
        price: of a query, in dollars.

    Raises:
        InputError: TenSEAL is not installed, it refuses the parameters, or the weights do not fit the inputs.
    """
    return Encrypted(weight, offset, inputs, CKKS() if scheme is None else scheme, price)


class Encrypted(CountingOracle):
    """A client and its service, one call at a time."""

    def __init__(self, weight: np.ndarray, offset: np.ndarray, inputs: Inputs, scheme: CKKS, price: float):
        weight, offset = np.asarray(weight, np.float64), np.asarray(offset, np.float64)
        if weight.shape != (inputs.low.size, *offset.shape) or offset.ndim != 1:
            raise InputError(
                f"weight and offset have shapes {weight.shape} and {offset.shape} and records have {inputs.low.size} "
                "features: give weight the shape [feature, cls] and offset [cls]."
            )
        self._seal, self._slots = _tenseal(), scheme.degree // 2
        self._secret = _context(self._seal, scheme)
        public = self._secret.serialize(save_secret_key=False, save_galois_keys=False)
        self._service = Service(public, weight, offset)
        self._sent, self._turn = len(public), threading.Lock()
        self._slope, self._offset = np.abs(weight), np.abs(offset)
        self._largest = scheme.largest
        access = Access(level="logit", classes=len(offset), inputs=inputs, precision="float32")
        content = {"parameters": fingerprint_of([weight, offset]), "scheme": fingerprint_of(vars(scheme))}
        super().__init__(self._predict, access, price, lambda: content)

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        """Answer a batch, as `jaxattack.types.Oracle` says."""
        with self._turn:
            return super().__call__(x, bias)

    def _predict(self, x: np.ndarray, _: Bias | None) -> Answer:
        flat = x.reshape(len(x), -1).astype(np.float64)
        # Beyond the modulus numbers wrap round, and what is decrypted looks like any answer: neither side would notice.
        largest = max(np.abs(flat).max(initial=0), (np.abs(flat) @ self._slope + self._offset).max(initial=0))
        if not largest < self._largest:
            raise InputError(
                f"records or logits may be as large as {largest:.3g} and numbers of {self._largest:.3g} or more wrap round under "
                "encryption: scale the records, or give a longer chain or a smaller scale."
            )
        parts = [self._exchange(flat[begin : begin + self._slots]) for begin in range(0, len(flat), self._slots)]
        logit = np.concatenate(parts)
        return Answer(logit.argmax(axis=1), None, logit)

    def _exchange(self, x: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query cls"]:
        plain = self._seal.plain_tensor(x[:, np.newaxis])
        question = self._seal.ckks_tensor(self._secret, plain, batch=True).serialize()
        reply = self._service.answer(question)
        self._sent += len(question) + len(reply)
        return np.array(self._seal.ckks_tensor_from(self._secret, reply).decrypt().tolist())[: len(x), 0]

    def _bytes(self, x: np.ndarray, bias: Bias | None, answer: Answer) -> int:  # noqa: ARG002 - those of ciphertexts
        sent, self._sent = self._sent, 0
        return sent


class Service:
    """The side that has the weights, and no secret key."""

    def __init__(self, public: bytes, weight: Float[np.ndarray, "feature cls"], offset: Float[np.ndarray, "cls"]):
        """Begin with what a client sends first: the context without its secret key."""
        self._seal = _tenseal()
        self._context = self._seal.context_from(public)
        self._weight = self._seal.plain_tensor(weight)
        self._offset = self._seal.plain_tensor(offset[np.newaxis])

    @property
    def can_decrypt(self) -> bool:
        """Whether it was given a secret key."""
        return self._context.has_secret_key()

    def answer(self, question: bytes) -> bytes:
        """The encrypted logits of encrypted records."""
        x = self._seal.ckks_tensor_from(self._context, question)
        return (x.mm(self._weight) + self._offset).serialize()


def _tenseal() -> Any:
    if find_spec("tenseal") is None:
        raise InputError(f"encrypted questions need tenseal: {installation('encrypted')}.")
    import tenseal

    return tenseal


def _context(seal: Any, scheme: CKKS) -> Any:
    """A context with a new secret key.

    Raises:
        InputError: the library refuses the parameters.
    """
    try:
        context = seal.context(seal.SCHEME_TYPE.CKKS, scheme.degree, coeff_mod_bit_sizes=list(scheme.chain))
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"chain is {scheme.chain} and degree {scheme.degree}, which TenSEAL refuses ({error}): give a higher degree, or fewer bits."
        ) from error
    context.global_scale = 2**scheme.scale
    return context
