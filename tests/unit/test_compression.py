"""A compression that green's build lacks is left out, and nothing else with it."""

from __future__ import annotations

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.build import Builder, statements_in

PART = """
CREATE TABLE shop.page (
    id integer NOT NULL,
    body text
);
ALTER TABLE ONLY shop.page ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE ONLY shop.page ALTER COLUMN body SET COMPRESSION lz4;


ALTER TABLE shop.page OWNER TO app;
"""

LEFT_OUT = {
    "ALTER TABLE ONLY shop.page ALTER COLUMN body SET COMPRESSION lz4": True,
    '\nALTER TABLE ONLY "a;b"."c" ALTER COLUMN body SET COMPRESSION lz4;\n': True,
    'ALTER TABLE ONLY s."Odd ""name" ALTER COLUMN "x y" SET COMPRESSION lz4;': True,
    "ALTER TABLE ONLY shop.page ALTER COLUMN body SET COMPRESSION pglz;": False,
    "ALTER TABLE t ALTER a SET DEFAULT 'b SET COMPRESSION lz4';": False,
    "COMMENT ON TABLE t IS 'ALTER TABLE t ALTER a SET COMPRESSION lz4'": False,
}


def builder() -> Builder:
    made = Builder(*(Database(side, "host=127.0.0.1 port=1") for side in Side))
    vars(made)["_methods"] = ["pglz"]
    return made


@pytest.mark.parametrize("statement", LEFT_OUT)
def test_only_what_sets_a_missing_method_is_left_out(statement: str) -> None:
    assert builder().asks_for_missing_method(statement) is LEFT_OUT[statement]


def test_the_rest_of_a_table_stays() -> None:
    asks = builder().asks_for_missing_method
    kept = [one for one in statements_in(PART) if not asks(one)]
    assert len(kept) == 3
    assert not [one for one in kept if "COMPRESSION" in one]
