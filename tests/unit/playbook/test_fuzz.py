"""Mangled playbooks: nothing but PlaybookRefused comes out, and quickly."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bluegreen.model.errors import PlaybookRefused
from bluegreen.playbook.load import parse

CASES = Path(__file__).parents[2] / "cases" / "playbooks"
SEEDS = [path.read_bytes() for path in sorted((CASES / "accepted").glob("*.yml"))]
SEEDS += [path.read_bytes() for path in sorted((CASES / "refused").glob("*.yml"))]
ENVIRON = {"BLUE_PASSWORD": "s3cret", "SHOP_DSN": "host=a password=s3cret"}

QUICK = timedelta(seconds=5)
"""Far above what a playbook takes, far below what a search gone wrong takes."""


def try_to_load(data: bytes) -> None:
    try:
        parse(data, Path("fuzz.yml"), ENVIRON)
    except PlaybookRefused as error:
        message = str(error)
        assert message.startswith("error BG-200")
        assert "fuzz.yml:" in message
        assert "s3cret" not in message
        message.encode()


EDITS = st.lists(
    st.tuples(
        st.integers(0, 2000),
        st.integers(0, 12),
        st.one_of(
            st.binary(max_size=4),
            st.sampled_from(
                [
                    *(b"\n", b"\t", b": ", b"- ", b"[", b"]", b"{", b"}", b"'", b'"'),
                    *(b"&a ", b"*a", b"!x ", b"<<: ", b"---\n", b"...\n", b"%", b"?"),
                    *(b"${env:X}", b"${", b"$${", b"|\n", b">-\n", b"#", b"\\", b","),
                    *(b"\\U00110000", b"\\x00", b"\xef\xbb\xbf", b"~", b"null", b"="),
                ]
            ),
        ),
    ),
    max_size=6,
)


@settings(max_examples=200, deadline=QUICK)
@given(st.sampled_from(SEEDS), EDITS)
def test_mangled_bytes(seed: bytes, edits: list[tuple[int, int, bytes]]) -> None:
    for place, cut, put in edits:
        at = place % (len(seed) + 1)
        seed = seed[:at] + put + seed[at + cut :]
    try_to_load(seed)


@settings(deadline=QUICK)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    try_to_load(data)


KEYS = st.sampled_from(
    re.findall(
        r"\S+",
        "version name blue green pointers steps allow dsn password step id window "
        "files queries command probe workers max_pause pointer console port host x",
    )
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(
            re.findall(
                r"\S+",
                "1 shop 24h cutover check hold replicate migrate pgbouncer true no "
                "${env:BLUE_PASSWORD} ${env:SHOP_DSN} ${file:/dev/null} dbname=a "
                "MOVES_TRAFFIC",
            )
        ),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)
RIGHT = {
    "version": 1,
    "name": "shop",
    "blue": {"dsn": "host=a dbname=a"},
    "green": {"dsn": "host=b dbname=b"},
    "pointers": [
        {
            "pointer": "pgbouncer",
            "console": "host=a",
            "config_file": "a.ini",
            "database": "a",
        }
    ],
    "steps": [{"step": "check"}, {"step": "replicate"}, {"step": "cutover"}],
}


@settings(max_examples=100, deadline=QUICK)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_mangled_structures(changes: dict[str, object]) -> None:
    try_to_load(json.dumps({**RIGHT, **changes}).encode())


@settings(max_examples=100, deadline=QUICK)
@given(
    st.sampled_from(["blue", "pointers", "steps"]),
    st.dictionaries(KEYS, VALUES, max_size=3),
)
def test_mangled_parts(place: str, changes: dict[str, object]) -> None:
    whole = json.loads(json.dumps(RIGHT))
    part = whole[place] if place == "blue" else whole[place][-1]
    with suppress(TypeError):
        part.update(changes)
    try_to_load(json.dumps(whole).encode())


def test_long_words_take_no_long_time() -> None:
    """Quadratic searches over a quarter of a megabyte would take minutes."""
    long = "1" * 200_000
    for text in (
        f"version: {long}",
        f"{long}: 1",
        f"version: 1\nsteps:\n  - step: hold\n    window: {long}",
        f"version: 1\nsteps:\n  - step: {long}",
        f"version: 1\nblue:\n  dsn: {long}",
        f"version: 1\nblue:\n  dsn: {'a=' * 100_000}",
        f"version: 1\nblue:\n  dsn: postgres://{'[' * 100_000}",
        f'version: 1\nblue:\n  dsn: "{"${" * 100_000}"',
        f'version: 1\nblue:\n  dsn: "{"postgres://" * 20_000}"',
        f'version: 1\nname: "{"postgres://a:" * 15_000}"',
        f'version: 1\nblue:\n  dsn: "host={chr(92) * 200_000}"',
        f"allow: [{long}]",
    ):
        try_to_load(text.encode())
