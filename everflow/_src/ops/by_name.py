"""Operations by their type name, looked up when they are used.

Operations of one file differentiate into operations of another and back (a matrix product into transposes, a
transpose into transposes, a gather into segment sums).  A gradient rule or a composite function that needs an
operation of a file that may need this one in turn writes `cards.Transpose(x, perm)`.
"""

from __future__ import annotations

from everflow._src.framework.registry import CARDS, Card


class CardsByName:
    """All operation cards as attributes; every card is declared once `ops/core.py` is loaded."""

    def __getattr__(self, name: str) -> Card:
        if name.startswith("_"):
            raise AttributeError(name)  # inspection asks every object for `__wrapped__`
        try:
            card = CARDS[name]
        except KeyError:
            raise NotImplementedError(f"everflow has no operation of type {name!r} yet") from None
        setattr(self, name, card)
        return card


cards = CardsByName()
