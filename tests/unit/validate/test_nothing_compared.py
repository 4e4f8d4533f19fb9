"""Nothing is never taken for an answer: no table compared proves no way back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bluegreen.model.errors import RollbackUnavailable
from bluegreen.steps.validation import way_back


def test_no_table_of_the_stream_proves_no_way_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for asked in ("read_plans", "read_publication", "read_given"):
        monkeypatch.setattr(way_back, asked, lambda *_: ())
    world: Any = SimpleNamespace(blue=None, green=None)
    with pytest.raises(RollbackUnavailable) as caught:
        way_back._compare(world, "bluegreen_shop_from_green", "rollback/prove")
    assert str(caught.value) == (
        "error BG-6001: no table was compared, which proves nothing of the way back\n"
        "  seen:    blue's subscription feeds no table that green publishes\n"
        "  wanted:  the tables that were published when the way back was opened\n"
        "  traffic: green serves and nothing has moved\n"
        "  hint:    who changed the publication on green or the subscription on blue? "
        "Put the tables back, then run `bluegreen rollback PLAYBOOK --prove` again"
    )
