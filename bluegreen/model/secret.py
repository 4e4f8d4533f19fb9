"""A value that must not be seen. Owns hiding it from every printed form."""

from __future__ import annotations


class Secret:
    """Text that shows as `***` wherever it is printed, logged or pickled.

    `reveal()` is the only way to the text, so that each use can be found.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return (Secret, ("***",))
