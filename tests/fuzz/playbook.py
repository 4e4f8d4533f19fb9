"""Bytes that a fuzzer grows, read as a playbook: only our refusal may come out.

    python -m tests.fuzz.playbook --seconds 60 --seed 1

atheris follows the branches of the reader from the playbooks in `tests/cases` on.
Where it is not to be had, `--plain` mangles them blindly. Each input gets a second of
processor time and 100 MB; the first that breaks a rule is kept as `broken-playbook`.
The last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

try:
    import atheris
except ImportError:  # it has wheels for some machines only
    atheris = None  # type: ignore[assignment]
with (
    atheris.instrument_imports(include=["bluegreen.playbook", "yaml"])
    if atheris
    else nullcontext()
):
    import bluegreen.playbook.load as load_module

from bluegreen.model.errors import PlaybookRefused

CASES = Path(__file__).parents[1] / "cases" / "playbooks"
ENVIRON = {"BLUE_PASSWORD": "s3cret", "SHOP_DSN": "host=a password=s3cret"}
LONGEST_S = 1.0
MOST_BYTES = 100 * 1024 * 1024
PIECES = (
    *(b"\n", b"\t", b": ", b"- ", b"[", b"]", b"{", b"}", b"'", b'"', b"&a ", b"*a"),
    *(b"!x ", b"<<: ", b"---\n", b"...\n", b"%", b"?", b"${env:X}", b"${", b"$${"),
    *(b"|\n", b">-\n", b"#", b"\\", b",", b"\\U00110000", b"\\x00", b"\xef\xbb\xbf"),
    *(b"postgresql://", b"password=", b"24h", b"\xff", b"\xe2\x80\xa8", b"0" * 40),
)


class Count:
    """What was tried so far."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.inputs = self.accepted = 0
        self.longest_s = 0.0
        self.ends: float | None = None
        self.folder = Path()

    def one(self, data: bytes) -> None:
        """Read one input and hold it to the rules."""
        begun = time.process_time()
        try:
            load_module.parse(data, Path("fuzz.yml"), ENVIRON)
            self.accepted += 1
        except PlaybookRefused as error:
            said = str(error)
            assert said.startswith("error BG-200")
            assert "fuzz.yml:" in said
            assert "s3cret" not in said
            said.encode()
        took = time.process_time() - begun
        assert took < LONGEST_S, f"{took:.2f} s for {len(data)} bytes"
        self.longest_s = max(self.longest_s, took)
        self.inputs += 1
        if self.ends is not None and time.monotonic() > self.ends:
            # libFuzzer would end the process without a word to Python.
            self.report()
            shutil.rmtree(self.folder)
            os._exit(0)

    def report(self) -> None:
        """Print the figures as one line."""
        figures = {
            "inputs": self.inputs,
            "accepted": self.accepted,
            "longest_ms": round(self.longest_s * 1000),
            "seed": self.seed,
        }
        sys.stdout.write(json.dumps(figures) + "\n")
        sys.stdout.flush()


def seeds() -> list[bytes]:
    """The playbooks that the tests accept and refuse."""
    return [path.read_bytes() for path in sorted(CASES.glob("*/*.yml"))]


def mangle(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A few cuts, pieces, repeats, and a splice with another playbook."""
    for _ in range(chance.randrange(1, 7)):
        at = chance.randrange(len(data) + 1)
        cut = chance.choice((0, 0, 1, 3, 12))
        put = chance.choice((*PIECES, chance.randbytes(3), data[at : at + 40] * 3))
        data = data[:at] + put + data[at + cut :]
    if chance.random() < 0.2:
        other = chance.choice(others)
        data = data[: chance.randrange(len(data) + 1)] + other[: len(other) // 2]
    return data


def limit_memory() -> None:
    """Let the process grow by no more than one input may take."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def blindly(count: Count, seconds: float) -> None:
    """Mangle for some time, without looking where it leads."""
    chance, kinds = random.Random(count.seed), seeds()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mangle(chance, chance.choice(kinds), kinds)
        try:
            count.one(data)
        except BaseException:
            Path("broken-playbook").write_bytes(data)
            raise


def guided(count: Count, seconds: float) -> None:
    """Let atheris grow inputs; ends the process."""
    corpus, pieces = count.folder / "corpus", count.folder / "words"
    corpus.mkdir()
    for number, data in enumerate(seeds()):
        (corpus / f"seed{number}").write_bytes(data)
    words = ["".join(f"\\x{byte:02x}" for byte in piece) for piece in PIECES]
    pieces.write_text("".join(f'"{word}"\n' for word in words))
    flags = {
        "seed": count.seed,
        "max_len": 4096,
        "dict": pieces,
        "rss_limit_mb": 0,
        "artifact_prefix": "broken-",
        "verbosity": 0,
    }
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            *(f"-{name}={value}" for name, value in flags.items()),
        ],
        count.one,
    )
    count.ends = time.monotonic() + seconds
    atheris.Fuzz()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=60)
    words.add_argument("--seed", type=int, default=random.randrange(1, 1 << 30))
    words.add_argument("--plain", action="store_true")
    given = words.parse_args()
    count = Count(given.seed)
    for data in seeds():
        count.one(data)
    limit_memory()
    if given.plain or not atheris:
        blindly(count, given.seconds)
        count.report()
    else:
        count.folder = Path(tempfile.mkdtemp())
        guided(count, given.seconds)


if __name__ == "__main__":
    main()
