"""Talking to a guard that has ended already."""

from __future__ import annotations

import subprocess
import sys

from bluegreen.engine.guard import _part, _tell


def test_a_last_word_that_nobody_reads_hides_no_error() -> None:
    """It acted by itself and was gone when the tool had backed out."""
    process = subprocess.Popen(
        [sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.wait()
    _tell(process, "failed")
    _part(process)
    assert process.returncode == 0
