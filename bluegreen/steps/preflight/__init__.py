"""The looks of the step `check`: pure judgements over what both sides said.

A look is a function of both sides' facts and of what the playbook means to do; it
yields findings and touches nothing. Reading the facts is for `postgres/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bluegreen.model.verdict import Finding
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.activity import (
    look_at_clients,
    look_at_foreign_streams,
    look_at_prepared_transactions,
    look_at_transactions,
)
from bluegreen.steps.preflight.alike import (
    look_at_collations,
    look_at_extensions,
    look_at_settings,
)
from bluegreen.steps.preflight.capacity import look_at_capacity, look_at_wal_level
from bluegreen.steps.preflight.contents import (
    look_at_constraints,
    look_at_event_triggers,
    look_at_invalid_indexes,
    look_at_large_objects,
    look_at_sequence_ranges,
    look_at_sequences,
    look_at_triggers,
)
from bluegreen.steps.preflight.durability import (
    look_at_durability,
    look_at_unvacuumed_tables,
)
from bluegreen.steps.preflight.identity import (
    look_at_full_identities,
    look_at_migration_tables,
    look_at_table_identities,
    look_at_unlogged_tables,
)
from bluegreen.steps.preflight.intent import Intent
from bluegreen.steps.preflight.pair import (
    look_at_clocks,
    look_at_green_contents,
    look_at_identities,
    look_at_our_schema,
    look_at_versions,
)
from bluegreen.steps.preflight.partitions import look_at_partition_ends
from bluegreen.steps.preflight.rights import look_at_owners, look_at_rights
from bluegreen.steps.preflight.roles import look_at_role_settings, look_at_roles
from bluegreen.steps.preflight.sessions import (
    look_at_replica_roles,
    look_at_stream_limits,
)
from bluegreen.steps.preflight.tables import (
    look_at_columns,
    look_at_kinds_of_tables,
    look_at_row_security,
)
from bluegreen.steps.preflight.wal import look_at_kept_wal, look_at_standbys

Look = Callable[[ServerFacts, ServerFacts, Intent], Iterator[Finding]]

LOOKS: tuple[Look, ...] = (
    look_at_versions,
    look_at_identities,
    look_at_our_schema,
    look_at_green_contents,
    look_at_clocks,
    look_at_rights,
    look_at_owners,
    look_at_wal_level,
    look_at_capacity,
    look_at_kept_wal,
    look_at_standbys,
    look_at_durability,
    look_at_unvacuumed_tables,
    look_at_table_identities,
    look_at_full_identities,
    look_at_unlogged_tables,
    look_at_migration_tables,
    look_at_row_security,
    look_at_kinds_of_tables,
    look_at_partition_ends,
    look_at_columns,
    look_at_large_objects,
    look_at_sequences,
    look_at_sequence_ranges,
    look_at_triggers,
    look_at_event_triggers,
    look_at_constraints,
    look_at_invalid_indexes,
    look_at_transactions,
    look_at_prepared_transactions,
    look_at_foreign_streams,
    look_at_clients,
    look_at_extensions,
    look_at_collations,
    look_at_settings,
    look_at_roles,
    look_at_role_settings,
    look_at_stream_limits,
    look_at_replica_roles,
)
"""Every look, in the order in which their findings are told."""


def look_at_servers(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> list[Finding]:
    """Run every look."""
    return [finding for look in LOOKS for finding in look(blue, green, intent)]
