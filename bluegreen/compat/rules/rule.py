"""The rules of `compat`: law, row of the table, the case that proves it, and the fix.

Owns the records only; where a rule holds is decided by the neighbouring files. A
proof names a case of `tests/cases/replication.json` that real servers ran. Nothing is
ever decided by it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        law: number of the law of apply.
        row: row of the table of measured changes.
        proof: id of a measured case, empty where none was kept.
        fix: what makes it compatible.
    """

    law: int
    row: str
    proof: str
    fix: str = ""


RULES: dict[str, Rule] = {
    "table-missing": Rule(
        1,
        "42-44",
        "drop_table",
        "take the table out of the publication first and let the other side catch up, "
        "or make an empty table of that name there",
    ),
    "table-is-a-view": Rule(
        1, "44", "rename_table__m_view", "keep the old name as the real table"
    ),
    "column-missing": Rule(
        1,
        "1, 6, 8",
        "add_col_identity_always",
        "add the same column to the other side first, or leave it out with a column "
        "list (15+)",
    ),
    "column-renamed": Rule(
        1,
        "8",
        "rename_expand_trigger_always",
        "keep the old name until blue is released: the new one beside it by `mapping`, "
        "the rename or the drop in `contract`",
    ),
    "column-generated": Rule(
        1, "12", "ordinary_to_generated", "compute into a column of another name"
    ),
    "table-replaced": Rule(
        13,
        "44a, 45, 46",
        "column_reorder",
        "ALTER SUBSCRIPTION ... REFRESH PUBLICATION WITH (copy_data = false) while "
        "the subscription is paused",
    ),
    "table-not-published": Rule(
        17, "49", "set_unlogged", "keep the table logged and in the publication"
    ),
    "table-left-out": Rule(
        1,
        "43",
        "new_table_explicit_pub",
        "make an empty table of that name on the other side and publish it",
    ),
    "partition-left-behind": Rule(
        1,
        "46-48a",
        "",
        "`bluegreen partitions` makes the same partition on the other side and puts it "
        "in the stream",
    ),
    "column-left-out": Rule(
        1,
        "1",
        "add_col_nullable__m_collist",
        "add the column to the other side, then drop the column list",
    ),
    "publication-refused": Rule(
        10,
        "1, 43",
        "rename_table__m_partition_wrap",
        "write it as this version reads it",
    ),
    "partition-missing": Rule(
        1,
        "46-48a",
        "fwd_new_partition_on_blue__root",
        "add a DEFAULT partition on the receiving side",
    ),
    "row-filter": Rule(1, "-", "", "publish the table without a row filter"),
    "no-key": Rule(
        9,
        "35, 38",
        "drop_pk",
        "set REPLICA IDENTITY USING INDEX on a unique index of NOT NULL columns, or "
        "REPLICA IDENTITY FULL on the side that sends",
    ),
    "key-not-sent": Rule(
        9,
        "36, 37, 39",
        "pk_int_to_uuid_newcol",
        "keep the old key as a unique index and set REPLICA IDENTITY USING INDEX to it",
    ),
    "deferrable-key": Rule(
        9, "35", "pk_deferrable", "make the primary key NOT DEFERRABLE"
    ),
    "whole-row-lost": Rule(
        9,
        "40, 40a",
        "add_surrogate_pk_blue_full__m_unique",
        "give the receiving table a primary key or REPLICA IDENTITY USING INDEX on "
        "columns that are sent",
    ),
    "no-equality": Rule(9, "40b", "full_nopk_json", "use jsonb, or give it a key"),
    "refused-write": Rule(
        10,
        "35, 41",
        "ri_nothing",
        "give the table a key or REPLICA IDENTITY FULL before it is published",
    ),
    "no-default": Rule(
        1, "3, 7", "add_col_notnull_dropped_default", "keep a default, or DROP NOT NULL"
    ),
    "type-never-fits": Rule(
        3, "24, 26", "bool_to_int", "a parallel column, filled by an ALWAYS trigger"
    ),
    "type-may-not-fit": Rule(
        3, "15-26", "text_to_varchar10_over", "widen the other side first"
    ),
    "type-changes-value": Rule(
        3, "19, 22, 25, 26", "numeric_scale_down", "a parallel column of the new type"
    ),
    "binary-type": Rule(3, "70", "", "set binary = false on the subscription"),
    "time-zone": Rule(
        14,
        "26b",
        "ts_to_tstz_green_ny_preset",
        "before the migration runs, on the side where the column is timestamptz: ALTER "
        "ROLE ... IN DATABASE ... SET TimeZone to the zone it is read in, for our role",
    ),
    "constraint": Rule(
        4, "27-30, 33", "domain_check", "relax it until the way back has closed"
    ),
    "domain": Rule(
        4, "26k, 29", "domain_check", "add the domain's check after the way back closed"
    ),
    "foreign-key": Rule(
        4,
        "31, 34",
        "add_fk_orphan_always",
        "an anti-join before the cutover; or add the key after it",
    ),
    "truncate": Rule(
        11,
        "32, 34",
        "rev_truncate_dropped_child",
        "add the foreign key after the cutover",
    ),
    "trigger": Rule(
        5,
        "54",
        "updated_at_trigger_always",
        "leave the trigger in its ordinary mode, which apply does not fire",
    ),
    "statement-trigger-on-copy": Rule(
        5, "55", "statement_only_trigger_always_copy", "disable it during the copy"
    ),
    "unqualified": Rule(
        6,
        "5, 57",
        "check_fn_unqualified",
        "qualify every name, or SET search_path on the function",
    ),
    "expression-fails": Rule(
        4, "5", "expr_index_failing", "an expression that no row can break"
    ),
    "derived-stale": Rule(
        5,
        "9a, 62",
        "rename_expand_trigger_origin",
        "ENABLE ALWAYS on the trigger before the backfill, or a generated column",
    ),
    "rows-differ": Rule(
        7,
        "10, 61-65",
        "drop_and_readd_same_name",
        "make the same change on the other side, or after the cutover",
    ),
    "name-reused": Rule(
        1, "10", "drop_and_readd_same_name", "give the new column a name of its own"
    ),
    "not-sent": Rule(
        1,
        "32",
        "new_fk_table_blue_truncate__m_no_truncate",
        "publish insert, update, delete and truncate",
    ),
    "rights": Rule(
        15, "52", "enable_rls_force_policy", "let a superuser own the subscription"
    ),
    "does-not-fit": Rule(
        4, "15-30", "text_to_varchar10_over", "fix what the server names"
    ),
    "cannot-tell": Rule(2, "-", "", "give `compat` both catalogs and probes"),
}
