"""The looks of the step `check`: pure judgements over what both sides said.

A look is a function of both sides' facts and of what the playbook means to do; it
yields findings and touches nothing. Reading the facts is for `postgres/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bluegreen.model.finding import Finding
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.activity import (
    check_clients,
    check_foreign_streams,
    check_prepared_transactions,
    check_transactions,
)
from bluegreen.steps.preflight.alike import (
    check_collations,
    check_extensions,
)
from bluegreen.steps.preflight.capacity import check_capacity, check_wal_level
from bluegreen.steps.preflight.connections import check_limits
from bluegreen.steps.preflight.contents import (
    check_constraints,
    check_event_triggers,
    check_invalid_indexes,
    check_large_objects,
    check_sequence_ranges,
    check_sequences,
    check_triggers,
)
from bluegreen.steps.preflight.database import check_database
from bluegreen.steps.preflight.durability import (
    check_durability,
    check_unvacuumed_tables,
)
from bluegreen.steps.preflight.extension_rows import check_extension_rows
from bluegreen.steps.preflight.identity import (
    check_full_identities,
    check_generated_identities,
    check_migration_tables,
    check_table_identities,
    check_unlogged_tables,
)
from bluegreen.steps.preflight.intent import Intent
from bluegreen.steps.preflight.lock_table import check_lock_tables
from bluegreen.steps.preflight.pair import (
    check_clocks,
    check_green_contents,
    check_identities,
    check_our_schema,
    check_versions,
)
from bluegreen.steps.preflight.partitions import check_partition_ends
from bluegreen.steps.preflight.rights import check_owners, check_rights
from bluegreen.steps.preflight.roles import check_roles
from bluegreen.steps.preflight.server_bound import check_server_bound
from bluegreen.steps.preflight.session_settings import (
    check_read_only,
    check_role_settings,
    check_settings,
)
from bluegreen.steps.preflight.sessions import (
    check_replica_roles,
    check_stream_limits,
)
from bluegreen.steps.preflight.tables import (
    check_columns,
    check_kinds_of_tables,
    check_row_security,
)
from bluegreen.steps.preflight.wal import check_kept_wal, check_standbys

Look = Callable[[ServerFacts, ServerFacts, Intent], Iterator[Finding]]

LOOKS: tuple[Look, ...] = (
    check_versions,
    check_identities,
    check_our_schema,
    check_green_contents,
    check_clocks,
    check_read_only,
    check_rights,
    check_owners,
    check_wal_level,
    check_capacity,
    check_limits,
    check_lock_tables,
    check_kept_wal,
    check_standbys,
    check_durability,
    check_unvacuumed_tables,
    check_table_identities,
    check_full_identities,
    check_generated_identities,
    check_unlogged_tables,
    check_migration_tables,
    check_row_security,
    check_kinds_of_tables,
    check_partition_ends,
    check_columns,
    check_server_bound,
    check_large_objects,
    check_sequences,
    check_sequence_ranges,
    check_triggers,
    check_event_triggers,
    check_constraints,
    check_invalid_indexes,
    check_transactions,
    check_prepared_transactions,
    check_foreign_streams,
    check_clients,
    check_extensions,
    check_extension_rows,
    check_collations,
    check_settings,
    check_roles,
    check_database,
    check_role_settings,
    check_stream_limits,
    check_replica_roles,
)
"""Every look, in the order in which their findings are told."""


def check_servers(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> list[Finding]:
    """Run every look."""
    return [finding for look in LOOKS for finding in look(blue, green, intent)]
