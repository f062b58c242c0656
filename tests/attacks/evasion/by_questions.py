"""The attacks that only ask, as small as linear victims need them."""

from __future__ import annotations

from jaxattack.attacks.evasion import NES, SPSA, ZOO, Boundary, OnePixel, Square

BY_QUESTIONS = {
    "boundary": Boundary(queries=300),
    "nes": NES(steps=40, pairs=8, size=0.1),
    "spsa": SPSA(steps=40, pairs=8, size=0.1),
    "zoo": ZOO(steps=60, searches=4, rate=0.003),
    "square": Square(queries=150, size=0.1),
    "one-pixel": OnePixel(population=12, generations=9),
}
