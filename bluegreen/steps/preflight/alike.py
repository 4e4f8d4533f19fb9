"""Looks at whether green would answer as blue does: extensions and collations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.quoting import fewer_quotes, quote_name, quote_value
from bluegreen.steps.preflight.intent import Intent, listed


def check_extensions(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Each of blue's extensions, in a version that is not older."""
    left_out = set(map(fewer_quotes, intent.left_out))
    for name, version in sorted(blue.extensions.installed.items()):
        if f"extension {quote_name(name)}" in left_out:
            continue
        offer = green.extensions.offered.get(name)
        there = green.extensions.installed.get(name)
        if there is None and offer is None:
            yield checked(
                "extension-missing",
                Side.GREEN,
                f"extension {name} {version} is on blue; green's server does not "
                "have its files",
                "blue's schema cannot be made on green without it",
                f"install the package of {name} on green's host",
                blocks=True,
            )
        elif there is None and offer is not None:
            yield from _check_offer(name, version, offer.default, green)
        elif there != version:
            yield from _check_version(name, version, str(there), green)


def _check_offer(
    name: str, version: str, default: str, green: ServerFacts
) -> Iterator[Finding]:
    may = green.rights.superuser or not green.extensions.offered[name].superuser
    if not may:
        yield checked(
            "extension-superuser",
            Side.GREEN,
            f"extension {name} is not in green's database yet",
            f"only a superuser can make it, and role "
            f"{quote_name(green.rights.role)} is none",
            f"CREATE EXTENSION {quote_name(name)}; -- as a superuser",
            blocks=True,
        )
    if default != version:
        yield from _check_version(name, version, default, green)


def _check_version(
    name: str, version: str, there: str, green: ServerFacts
) -> Iterator[Finding]:
    older = is_older(there, version)
    offer = green.extensions.offered.get(name)
    can_update = offer is not None and version in offer.versions
    update = f"ALTER EXTENSION {quote_name(name)} UPDATE TO {quote_value(version)};"
    seen = f"extension {name} is {version} on blue and {there} on green"
    if older is None:
        yield checked(
            "extension-version",
            Side.GREEN,
            seen,
            "which of them is the newer one cannot be told; it may answer in another "
            "way, or lack what blue uses",
        )
        return
    yield checked(
        "extension-older" if older else "extension-newer",
        Side.GREEN,
        seen,
        "functions and types that blue uses may be missing"
        if older
        else "a newer version may answer in another way",
        ""
        if not older
        else update
        if can_update
        else f"install the package of {name} {version} or later on green's host",
        blocks=older,
    )


_BEFORE = ("dev", "snapshot", "alpha", "a", "beta", "b", "pre", "preview", "rc")
"""Words behind a number that come before the release of that number, oldest first."""

_PARTS = re.compile(r"\d+|[a-z]+")


def is_older(one: str, other: str) -> bool | None:
    """Whether a version comes before another; None where their texts do not say.

    PostgreSQL knows no order of versions: they are any text. Numbers go by value, a
    release behind its own candidates.
    """
    first, second = (_PARTS.findall(text.lower()) for text in (one, other))
    for here, there in zip_longest(first, second, fillvalue="."):
        if here == there:
            continue
        ranks = [_rank(part) for part in (here, there)]
        if None in ranks:
            return None
        if ranks[0] != ranks[1]:
            return bool(ranks[0] < ranks[1])  # type: ignore[operator]
    return None


def _rank(part: str) -> tuple[int, int] | None:
    """A candidate comes before the end, the end before a number beyond it."""
    if part.isdigit():
        return (2, int(part))
    if part == ".":
        return (1, 0)
    return (0, _BEFORE.index(part)) if part in _BEFORE else None


def check_collations(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Characters and order."""
    here, there = blue.collation, green.collation
    if here.encoding != there.encoding:
        yield _made_otherwise(
            "encoding-differs",
            f"blue is {here.encoding}, green {there.encoding}",
            "rows may not fit green's encoding, and the stream stops at one that "
            "does not",
        )
    elif here.encoding == "SQL_ASCII":
        yield checked(
            "no-encoding",
            Side.BLUE,
            "the database is in SQL_ASCII, which takes any bytes",
            "our sessions read text as UTF-8: names or rows in another encoding stop "
            "`replicate` or `validate`",
            "try it on a copy first; rehearse with all rows",
        )
    ours = (here.provider, *map(_locale, (here.collate, here.ctype, here.locale)))
    theirs = (there.provider, *map(_locale, (there.collate, there.ctype, there.locale)))
    if ours != theirs:
        yield _made_otherwise(
            "collation-differs",
            f"blue sorts by {here.locale or here.collate}, "
            f"green by {there.locale or there.collate}",
            "ORDER BY, comparisons and unique keys may come out in another way",
        )
    elif here.actual != there.actual and here.actual and there.actual:
        yield checked(
            "collation-version-differs",
            Side.GREEN,
            f"the rules of {here.collate} are {here.actual} on blue's host and "
            f"{there.actual} on green's",
            "ORDER BY may differ in places; green's indexes are built by green's "
            "rules, so they are sound",
        )
    yield from _check_stale_collations(blue)
    yield from _check_stale_collations(green)


def _made_otherwise(key: str, seen: str, why: str) -> Finding:
    fix = "make green's database with CREATE DATABASE … TEMPLATE template0 and "
    words = "blue's ENCODING, LOCALE_PROVIDER, LC_COLLATE and LC_CTYPE"
    return checked(key, Side.GREEN, seen, why, fix + words, blocks=True)


def _locale(name: str) -> str:
    """`C.UTF-8` and `C.utf8` are one."""
    return name.lower().replace("-", "")


def _check_stale_collations(facts: ServerFacts) -> Iterator[Finding]:
    collation = facts.collation
    stale = list(collation.stale)
    if collation.recorded != collation.actual:
        stale.insert(0, "the database's default")
    if stale:
        yield checked(
            "collation-stale",
            facts.side,
            f"the host's rules have changed for {listed(stale)}",
            "indexes that were built by the old rules may miss rows on this side",
            f"REINDEX DATABASE {quote_name(facts.database)}; then ALTER DATABASE "
            f"{quote_name(facts.database)} REFRESH COLLATION VERSION;",
        )
