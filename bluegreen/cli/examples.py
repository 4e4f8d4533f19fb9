"""How a verb's `EXAMPLE` is read: for its help, its page and the tests that run it.

Owns that form and nothing else. `EXAMPLE` is one line, `Example: CALL`, or several
calls after `Examples:`, with `; ` between them.
"""

from __future__ import annotations

_BETWEEN = "; bluegreen "


def calls(example: str) -> list[str]:
    """The calls in it, each as one types it."""
    _, _, rest = example.partition(": ")
    first, *others = rest.split(_BETWEEN)
    return [first, *(f"bluegreen {other}" for other in others)]


def epilog(example: str | None) -> str | None:
    """The help's last lines; a call stays on one line, so that it can be pasted."""
    if example is None:
        return None
    found = calls(example)
    if len(found) == 1:
        return f"\b\nExample: {found[0]}"
    return "\b\nExamples:\n" + "\n".join(f"  {call}" for call in found)
