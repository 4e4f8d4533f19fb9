"""What is decided without a server: what to leave out, keys to pin, blue's gaps."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from bluegreen.migrators.forecast import Forecast, forecast
from bluegreen.model.record import Kind, Record
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.replication.publication import (
    PublishedTable,
    choose_tables,
    obstacles,
)
from bluegreen.postgres.schema.expansion import Expansion, expansions
from bluegreen.postgres.schema.expansion_catalog import Catalog
from bluegreen.steps.schema_change.contract import Deferred, deferred
from bluegreen.steps.schema_change.exclude_columns import narrowed, resolved
from bluegreen.steps.schema_change.identity import OURS, Pin, pins
from bluegreen.steps.schema_change.journal_queries import (
    ended_well,
    expansions_told,
    heads_of,
    kept_back,
    shells,
)
from bluegreen.steps.schema_change.stream import stopped_by


def index(*columns: str, name: str = "t_pkey", **words: Any) -> Index:
    return Index(name, columns, **{"unique": True, "primary": True, **words})


def table(*columns: str | Column, **words: Any) -> Relation:
    made = tuple(
        Column(c, "text", not_null=c == "id") if isinstance(c, str) else c
        for c in columns
    )
    given = {"indexes": (index("id"),), **words}
    name = given.pop("name", "t")
    given = {"root_name": f"public.{name}", **given}
    return Relation(1, "public", name, columns=made, **given)


def record(kind: Kind, action: str = "a", **body: Any) -> Record:
    return Record(1, datetime.now(UTC), kind, 0, "r", action, body)


class TestForecast:
    @pytest.mark.parametrize(
        ("text", "columns", "tables"),
        [
            ("ALTER TABLE s.t DROP a, DROP COLUMN IF EXISTS b", {"a", "b"}, set()),
            ("DROP TABLE a, s.b", set(), {("", "a"), ("s", "b")}),
            ("DROP TABLE a; CREATE TABLE public.a (x int)", set(), set()),
            ("DROP TABLE a; ALTER TABLE b RENAME TO a", set(), set()),
            ("CREATE TABLE a (x int); DROP TABLE a", set(), {("", "a")}),
            ("DO $$ BEGIN ALTER TABLE t DROP c; END $$", {"c"}, set()),
            ("ALTER TABLE t ADD a int; DROP INDEX i", set(), set()),
            ("not sql at all", set(), set()),
        ],
    )
    def test_what_will_go(
        self, text: str, columns: set[str], tables: set[tuple[str, str]]
    ) -> None:
        seen = forecast([text.split(";")])
        assert {column for _, column in seen.columns} == columns
        assert seen.tables == tables


class TestLeavingOut:
    PRESENT = (PublishedTable("public", "t"), PublishedTable("public", "u"))

    def test_names_and_statements_are_held_against_what_is_published(self) -> None:
        seen = Forecast(frozenset({(("", "t"), "a")}), frozenset({("other", "u")}))
        assert resolved(seen, ["public.t.b"], self.PRESENT) == {
            ("public", "t"): {"a", "b"}
        }
        assert resolved(Forecast(), ["public.t.b", "public.t"], self.PRESENT) == {
            ("public", "t"): None
        }

    def test_a_name_without_schema_is_public_or_the_only_one(self) -> None:
        present = (PublishedTable("a", "x"), PublishedTable("b", "y"))
        seen = Forecast(tables=frozenset({("", "x"), ("", "nowhere")}))
        assert resolved(seen, [], present) == {("a", "x"): None}
        both = (PublishedTable("a", "x"), PublishedTable("b", "x"))
        assert resolved(seen, [], both) == {}

    def test_a_list_is_what_is_left(self) -> None:
        blue = {("public", "t"): table("id", "a", "b")}
        wanted, hindrances = narrowed(
            self.PRESENT, blue, {("public", "t"): {"b"}, ("public", "u"): None}, 15
        )
        assert wanted == (PublishedTable("public", "t", ("id", "a")),)
        assert hindrances == ()

    @pytest.mark.parametrize(
        ("relation", "gone", "version", "words"),
        [
            (table("id", "a"), {"a"}, 14, "PostgreSQL 14 has no column lists"),
            (table("id", "a", replica_identity="f"), {"a"}, 16, "whole row is the key"),
            (table("id", "a"), {"id"}, 16, "belongs to the key"),
        ],
    )
    def test_what_no_list_can_leave_out_is_said(
        self, relation: Relation, gone: set[str], version: int, words: str
    ) -> None:
        there = ("public", "t")
        wanted, (said,) = narrowed(
            self.PRESENT[:1], {there: relation}, {there: gone}, version
        )
        assert words in said
        assert wanted == self.PRESENT[:1]

    def test_a_column_that_blue_is_yet_to_get_travels_where_no_list_can_be(
        self,
    ) -> None:
        there = ("public", "t")
        assert narrowed(
            self.PRESENT[:1], {there: table("id")}, {there: {"new"}}, 14
        ) == (self.PRESENT[:1], ())
        given = frozenset({("public", "t", "new")})
        assert narrowed(
            self.PRESENT[:1], {there: table("id", "new")}, {there: {"new"}}, 14, given
        ) == (self.PRESENT[:1], ())


class TestChoosing:
    def test_columns_that_blue_got_for_green_are_kept_back(self) -> None:
        chosen = choose_tables(
            [table("id", "a", "n")],
            [table("id", "a", "n")],
            kept_back={("public", "t", "n")},
        )
        assert chosen[-1] == PublishedTable("public", "t", ("id", "a"))

    def test_a_partitioned_twin_of_a_plain_table_travels_through_its_root(self) -> None:
        parent = table("id", kind="partitioned")
        leaf = table("id", name="t1", is_partition=True, root_name="public.t")
        chosen = choose_tables([parent, leaf], [table("id"), table("id", name="t1")])
        assert [t for t in chosen if t.schema == "public"] == [
            PublishedTable("public", "t", through_root=True)
        ]

    def test_partitions_of_both_sides_travel_one_by_one_unless_named(self) -> None:
        both = [
            table("id", kind="partitioned"),
            table("id", name="t1", is_partition=True, root_name="public.t"),
        ]
        names = [t.name for t in choose_tables(both, both) if t.schema == "public"]
        assert names == ["t1"]
        named = choose_tables(both, both, through_root=["public.t"])
        assert [t.name for t in named if t.schema == "public"] == ["t"]

    def test_a_side_without_a_key_needs_whole_rows(self) -> None:
        keyless = table("id", indexes=(), replica_identity="f")
        listed = (PublishedTable("public", "t"),)
        (said,) = obstacles(listed, [table("id")], [keyless], 16)
        assert "has no key" in said
        full = table("id", replica_identity="f")
        assert obstacles(listed, [full], [keyless], 16) == []


class TestPins:
    def test_keys_that_fit_are_left(self) -> None:
        assert pins([table("id")], [table("id", "n")]) == ()

    def test_another_unique_index_over_the_old_key_is_taken(self) -> None:
        green = table("id", indexes=(index("id", name="again", primary=False),))
        assert pins([table("id")], [green]) == (Pin("public", "t", ("id",), "again"),)

    @pytest.mark.parametrize(
        "indexes",
        [
            (),
            (index("id", immediate=False),),
            (index("uid"),),
            (index("id", "uid"),),
        ],
        ids=["dropped", "deferrable", "moved", "widened"],
    )
    def test_an_index_is_made_where_none_is(self, indexes: Any) -> None:
        green = table("id", Column("uid", "uuid", not_null=True), indexes=indexes)
        (pin,) = pins([table("id")], [green])
        assert pin.make
        assert pin.columns == ("id",)
        assert pin.index.startswith(OURS)

    def test_a_key_that_may_be_null_cannot_be_pinned(self) -> None:
        green = table(Column("id", "int"), indexes=())
        assert pins([table("id")], [green]) == ()

    def test_a_narrowed_key_still_sends_the_old_one(self) -> None:
        wide = (index("id", "b"),)
        blue = table("id", Column("b", "int", not_null=True), indexes=wide)
        green = table("id", Column("b", "int", not_null=True))
        (pin,) = pins([blue], [green])
        assert pin.columns == ("id", "b")

    def test_a_keyless_blue_needs_whole_rows_back(self) -> None:
        blue = table("id", indexes=(), replica_identity="f")
        assert pins([blue], [table("id")]) == (Pin("public", "t"),)
        assert pins([blue], [table("id", replica_identity="f")]) == ()
        more = table("id", "own", indexes=(index("own"),))
        assert pins([blue], [more]) == ()

    def test_a_whole_row_with_a_key_of_its_own_fits(self) -> None:
        assert pins([table("id", replica_identity="f")], [table("id")]) == ()


def catalog(version: int = 16, *tables: Relation, **words: Any) -> Catalog:
    return Catalog(version, {t.full_name: t for t in tables}, **words)


class TestExpansion:
    @pytest.mark.parametrize(
        ("name", "blue", "green", "statements"),
        [
            (
                "public.t.n",
                catalog(16, table("id")),
                catalog(18, table("id", Column("n", "integer", not_null=True))),
                ['ALTER TABLE "public"."t" ADD COLUMN "n" integer'],
            ),
            (
                "public.t.n",
                catalog(14, table("id")),
                catalog(18, table("id", Column("n", "integer", True, "7"))),
                ['ALTER TABLE "public"."t" ADD COLUMN "n" integer DEFAULT 7'],
            ),
            (
                "public.t.a",
                catalog(16, table("id", Column("a", "character varying(8)", True))),
                catalog(18, table("id", Column("a", "text"))),
                [
                    'ALTER TABLE "public"."t" ALTER COLUMN "a" TYPE text',
                    'ALTER TABLE "public"."t" ALTER COLUMN "a" DROP NOT NULL',
                ],
            ),
            (
                "public.t.gone",
                catalog(16, table("id", Column("gone", "text", not_null=True))),
                catalog(18, table("id")),
                ['ALTER TABLE "public"."t" ALTER COLUMN "gone" DROP NOT NULL'],
            ),
            ("public.t.id", catalog(16, table("id")), catalog(16, table("id")), []),
            (
                "public.mood",
                catalog(16, labels={"public.mood": ("sad",)}),
                catalog(16, labels={"public.mood": ("it's", "sad")}),
                ["ALTER TYPE \"public\".\"mood\" ADD VALUE IF NOT EXISTS 'it''s'"],
            ),
            (
                "public.t.c",
                catalog(16, constraints={"public.t.c": "CHECK ((a > 0))"}),
                catalog(16),
                ['ALTER TABLE "public"."t" DROP CONSTRAINT "c"'],
            ),
            (
                "public.t.i",
                catalog(16, indexes={"public.t.i": "…"}),
                catalog(16),
                ['DROP INDEX CONCURRENTLY "public"."i"'],
            ),
            (
                "public.t",
                catalog(16),
                catalog(16, table("id", Column("g", "int", generated="s"), "a")),
                ['CREATE TABLE "public"."t" ("id" text, "a" text, PRIMARY KEY ("id"))'],
            ),
            (
                "public.Mood",
                catalog(16),
                catalog(16, labels={"public.Mood": ("sad", "ok")}),
                ["CREATE TYPE \"public\".\"Mood\" AS ENUM ('sad', 'ok')"],
            ),
            (
                "public.t.m",
                catalog(16, table("id")),
                catalog(
                    16,
                    table("id", Column("m", 'public."Mood"[]')),
                    labels={"public.Mood": ("sad",), "public.other": ("x",)},
                ),
                [
                    'CREATE TYPE "public"."Mood" AS ENUM (\'sad\')',
                    'ALTER TABLE "public"."t" ADD COLUMN "m" public."Mood"[]',
                ],
            ),
            ("public.nothing", catalog(16), catalog(16), []),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_one_statement_closes_the_gap(
        self, name: str, blue: Catalog, green: Catalog, statements: list[str]
    ) -> None:
        found = expansions(name, blue, green)
        assert [one.statement for one in found] == statements

    def test_a_dropped_check_comes_back_unproved(self) -> None:
        blue = catalog(16, constraints={"public.t.c": "CHECK ((a > 0))"})
        (one,) = expansions("public.t.c", blue, catalog(16))
        assert one.undo == (
            'ALTER TABLE "public"."t" ADD CONSTRAINT "c" CHECK ((a > 0)) NOT VALID'
        )


class TestTold:
    COLUMN = Expansion("s.t.n", "column", ("s", "t", "n"), "ALTER")
    TABLE = Expansion("s.u", "table", ("s", "u"), "CREATE")
    LABEL = Expansion("s.mood", "label", ("s", "mood"), "ALTER")

    @staticmethod
    def note(action: str, *made: Expansion) -> Record:
        stored = [{**asdict(one), "parts": list(one.parts)} for one in made]
        return record(Kind.NOTE, action, expanded=stored)

    def test_what_blue_got(self) -> None:
        records = [
            self.note("migrate/expand_blue", self.COLUMN),
            self.note("migrate/expand_blue", self.TABLE, self.LABEL),
            self.note("migrate/other", self.TABLE),
        ]
        assert len(expansions_told(records)) == 3
        assert kept_back(records) == {("s", "t", "n")}
        assert shells(records) == {("s", "u")}
        assert heads_of(self.LABEL)[0] == "enum s.mood"
        assert heads_of(self.COLUMN)[0] == "table s.t"

    @pytest.mark.parametrize(
        ("kinds", "well"),
        [
            ([], True),
            ([Kind.INTENT], False),
            ([Kind.INTENT, Kind.FAILED], False),
            ([Kind.INTENT, Kind.RESULT], True),
            ([Kind.INTENT, Kind.RESULT, Kind.INTENT], False),
            ([Kind.INTENT, Kind.RESULT, Kind.NOTE], True),
        ],
    )
    def test_whether_an_act_came_to_its_end(
        self, kinds: list[Kind], well: bool
    ) -> None:
        assert ended_well("a", [record(kind) for kind in kinds]) is well

    def test_the_last_word_on_what_waits_counts(self) -> None:
        assert deferred([]) == Deferred()
        notes = [
            record(Kind.NOTE, deferred={"files": ["a"], "contract": []}),
            record(Kind.NOTE, deferred={"files": ["a"], "contract": ["b"]}),
            record(Kind.NOTE, more=1),
        ]
        assert deferred(notes) == Deferred(("a",), ("b",))

    def test_a_stream_that_we_stopped(self) -> None:
        stopped = record(Kind.NOTE, stream="stopped", tables=[["s", "t"]])
        started = record(Kind.NOTE, stream="started", replaced=[])
        assert stopped_by("a", [stopped]) == {("s", "t")}
        assert stopped_by("b", [stopped]) is None
        assert stopped_by("a", [stopped, started]) is None
        assert stopped_by("a", [stopped, record(Kind.COMMITTED)]) is None
