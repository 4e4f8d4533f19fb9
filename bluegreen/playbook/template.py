"""The text of a new playbook, commented for the person who will fill it in.

Owns the text only; asking for the answers is for `cli/init.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answers:
    """What a new playbook must know."""

    name: str
    blue: str
    green: str
    console: str
    config_file: str
    database: str


def render(answers: Answers) -> str:
    """A playbook that `load` accepts when the answers are right."""
    values = {
        key: _text(getattr(answers, key))
        for key in ("blue", "green", "console", "config_file", "database")
    }
    return _TEMPLATE.format(name=answers.name, **values)


def _text(value: str) -> str:
    """A YAML text in double quotes; JSON's form is one, and holds on every answer."""
    return json.dumps(value, ensure_ascii=False)


_TEMPLATE = """\
# A playbook for bluegreen. Look before you leap:
#   bluegreen plan FILE     says what would be done, and changes nothing
#   bluegreen run FILE      does it; may be stopped and started again at any instant
#   bluegreen rollback FILE brings traffic back to blue, inside the window
# Times carry their unit: 500ms, 2s, 30m, 24h, 7d.
version: 1

# Names this move; slots, publications and subscriptions on both servers carry it.
name: {name}

# The database that serves today. Reach it directly, not through the pooler, as a user
# that may create publications and replication slots.
blue:
  dsn: {blue}
  # What leaves this machine is held to sslmode=verify-full: sslrootcert=FILE (or
  # sslrootcert=system) names the authority. Less must be allowed by name.
  # Never a password in the dsn. ~/.pgpass and libpq service files are read; or:
  # password: ${{env:BLUE_PASSWORD}}
  # password: ${{file:secrets/blue}}       (mode 0600, relative to this file)
  # Green's server must reach blue too. Where it knows blue by another name:
  # seen_from_peer: {{host: blue.internal}}

# The database that will serve. It must exist and be empty.
green:
  dsn: {green}
  # password: ${{env:GREEN_PASSWORD}}

# What sends clients to a side. All pointers move at once, or none does.
pointers:
  - pointer: pgbouncer
    id: main
    # The admin console; its user stands in PgBouncer's admin_users.
    console: {console}
    # console_password: ${{env:PGBOUNCER_PASSWORD}}
    # PgBouncer's own file, writable from here: the move must outlive its restart.
    config_file: {config_file}
    # The entry in [databases] that is moved.
    database: {database}
    # Where the pooler reaches the databases by other names than those above:
    # blue: {{host: 10.0.0.5, port: 5432}}
    # green: {{host: 10.0.0.6, port: 5432}}
    # How an application comes in; the cutover then measures the pause as clients feel
    # it, and proves where they end up.
    # client: host=127.0.0.1 port=6432 dbname=shop user=app
    # client_password: ${{env:APP_PASSWORD}}

steps:
  # Looks at both servers and the pooler; stops on whatever would hurt later.
  - step: check

  # A dump of blue, proved readable before anything changes.
  - step: backup
    to: backups

  # Green becomes a logical replica of blue and follows it closely.
  - step: replicate
    workers: 4

  # Brings green's schema forward while blue serves on. Leave it out for a move that
  # changes no schema.
  # - step: migrate
  #   files: [migrations/*.sql]

  # Compares schema, row counts and checksums.
  - step: validate

  # Waits for `bluegreen approve`, from any machine. Leave it out to go on unasked.
  - step: approve
    message: validation is green; is it a good moment?

  # Moves traffic. Clients wait max_pause at most; then everything backs out.
  - step: cutover
    max_pause: 2s

  # As long as this, `bluegreen rollback` brings traffic back without losing a write.
  - step: hold
    window: 24h

  # Run by `bluegreen decommission`, never before the window has ended.
  - step: decommission

# Findings that are known and meant, each with a reason; a refusal prints the entries.
# accept:
#   - {{id: large-objects, reason: copied by hand}}

# The hazards that `run` may bring about without asking; `plan` says which there are.
# allow: [LOADS_BLUE, RETAINS_WAL_ON_BLUE, STOPS_WRITES, MOVES_TRAFFIC, ENDS_ROLLBACK]
"""
