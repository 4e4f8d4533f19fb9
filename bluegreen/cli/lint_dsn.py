"""`bluegreen lint --dsn`: the files judged beside a server.

Owns the order of it: read the catalog, judge, ask the rows what the statements ask of
them, judge again with the answers. Nothing is written, there or here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.lint.config import Config
from bluegreen.lint.engine import Report, check
from bluegreen.lint.server.catalog import Served, looking, read_served
from bluegreen.lint.server.probes import Prober
from bluegreen.lint.tracking.state import FIRST_VERSION, LAST_VERSION
from bluegreen.lint.tracking.track import know
from bluegreen.playbook.dsn import dsn_from_call
from bluegreen.playbook.references import resolver
from bluegreen.sql.knowledge import Knowledge
from bluegreen.sql.source import read

if TYPE_CHECKING:
    from collections.abc import Mapping


def beside_a_server(
    dsn: str, chosen: Config, *, explain: bool
) -> Callable[[Mapping[str, bytes]], Report]:
    """What judges a set of files beside the server of `dsn`.

    Raises:
        PlaybookRefused: 2003 to 2005, the words of the DSN.
        ServerRefused: 3001, when it is called and the server cannot be reached.
    """
    where = dsn_from_call("--dsn", dsn, resolver(os.environ, Path.cwd()))

    def judge(texts: Mapping[str, bytes]) -> Report:
        sources = [read(name, text) for name, text in texts.items()]
        with looking(str(where), where.password) as session:
            served = read_served(session)
            config = _of_server(chosen, served)
            knowledge = known(served)
            report = check(sources, config, knowledge, explain=explain)
            if not report.questions:
                return report
            each = timedelta(seconds=config.probe_seconds)
            answers = Prober(session, served.schema, each).answers(report.questions)
        return check(
            sources, config, knowledge._replace(answers=answers), explain=explain
        )

    return judge


def known(served: Served) -> Knowledge:
    """The server's catalog as the linter's knowledge."""
    found = know(
        [read("the server", served.ddl)],
        rows=served.rows,
        writes=served.writes,
        timezone=served.timezone,
        whole=True,
        schema=served.schema,
    )
    tables = {
        key: table._replace(
            indexes=tuple(
                index._replace(
                    valid=(table.name.schema or served.schema, index.name)
                    not in served.invalid
                )
                for index in table.indexes
            )
        )
        for key, table in found.tables.items()
    }
    return found._replace(tables=tables, stable=served.stable, volatile=served.volatile)


def _of_server(chosen: Config, served: Served) -> Config:
    """The server's version is the target unless another was named."""
    asked = chosen.target_version
    if asked is None and FIRST_VERSION <= served.major <= LAST_VERSION:
        return chosen._replace(target_version=served.major)
    return chosen
