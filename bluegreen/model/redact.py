"""Blotting secrets out of text, by value.

Owns the spellings in which a secret may turn up: a repr, JSON, SQL, a connection
string, a URL. Where text leaves the house is for `cli/exit.py` and `report/`.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterable
from typing import Any

from bluegreen.model.secret import Secret

SHORTEST = 4
"""Shorter values are words such as `no`, which would blot out half the text."""

BLOT = "***"


class Blotter:
    """Knows some secrets and takes them out of whatever it is shown."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted(set(secrets), key=len, reverse=True)
        self._spelt = [_spelt(one) for one in known if len(one) >= SHORTEST]

    def text(self, text: str) -> str:
        """The text without them."""
        for spelt in self._spelt:
            text = spelt.sub(BLOT, text)
        return text

    def value(self, value: Any) -> Any:
        """The same for all text in a value of JSON's kinds; keys stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value


def secrets_in_memory() -> list[str]:
    """All that a playbook's references brought along, wherever it is held now."""
    return [found.reveal() for found in gc.get_objects() if type(found) is Secret]


def _spelt(secret: str) -> re.Pattern[str]:
    return re.compile("".join(map(_spellings, secret)))


def _spellings(char: str) -> str:
    if char.isascii() and char.isalnum():
        return char
    in_url = "".join(f"%{byte:02X}" for byte in char.encode(errors="surrogatepass"))
    in_json = re.escape(json.dumps(char)[1:-1]).replace(r"\\", r"\\{1,8}")
    named = re.escape(repr(char)[1:-1].lstrip("\\"))
    return (
        rf"(?:[\\']{{0,8}}{re.escape(char)}|\\{{1,8}}{named}|(?i:{in_url}|{in_json}))"
    )
