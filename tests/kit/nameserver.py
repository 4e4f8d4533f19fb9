"""A throw-away DNS server on loopback: knot, with a zone that takes signed updates."""

from __future__ import annotations

import base64
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bluegreen.lab import processes
from bluegreen.lab.account import Account
from bluegreen.lab.daemon import Daemon
from bluegreen.model.errors import ServerRefused
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.dns.nameserver import Nameserver
from bluegreen.pointers.dns.pointer import DnsPointer

ZONE = "shop.test"
RECORD = f"db.{ZONE}"
KEY = "bluegreen"
SECRET = base64.b64encode(b"a secret for tests of 32 bytes !").decode()
PATH_OF_DAEMONS = "/usr/sbin:/usr/local/sbin:/usr/bin"
_START_S = 10.0
_STOP_S = 5.0


class Knot(Daemon):
    """One knotd that serves `shop.test`. Make it with `Knot.start`."""

    @classmethod
    def start(
        cls,
        folder: Path,
        records: Sequence[str],
        *,
        only: str = RECORD,
        stores: bool = True,
    ) -> Knot:
        """Serve the zone with these lines; the key may update `only` that name."""
        who = Account.here()
        knot = cls(who.home_for(folder), who)
        knot.folder.mkdir(parents=True, exist_ok=True)
        who.own(knot.folder)
        if stores:
            # Without it updates fail, and only those that change something.
            (knot.folder / "db").mkdir()
            who.own(knot.folder / "db")
        knot.port = processes.free_port()
        lines = (
            f"$ORIGIN {ZONE}.",
            "$TTL 1",
            "@ SOA ns admin 1 60 60 3600 60",
            "@ NS ns",
            "ns A 127.0.0.1",
            *records,
        )
        knot._write("zone", "\n".join(lines) + "\n")
        knot._write(
            "knot.conf",
            _CONFIG.format(
                port=knot.port,
                folder=knot.folder,
                key=KEY,
                secret=SECRET,
                zone=ZONE,
                only=only,
            ),
        )
        knot.start_again()
        return knot

    @property
    def at(self) -> str:
        """As a pointer names it."""
        return f"{self.host}@{self.port}"

    def start_again(self) -> None:
        """Start, or start after `stop`."""
        if self.pid is None:
            found = shutil.which("knotd", path=PATH_OF_DAEMONS)
            assert found, "knotd is missing: run `make servers`"
            self._spawn([Path(found), "-c", self.folder / "knot.conf"], None)
            assert self._runs(self._answers, "knotd", _START_S), self.log_text()

    def stop(self) -> None:
        """Stop; what was updated is kept."""
        if self._process is not None and self.pid is not None:
            processes.send(self._process.pid, signal.SIGTERM)
            self._process.wait(_STOP_S)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self.pid is not None:
            self._process.kill()
            self._process.wait(_STOP_S)

    def words(
        self, values: Mapping[Side, Sequence[str]], **words: Any
    ) -> dict[str, Any]:
        """What a DnsPointer at this server is made of."""
        return {
            "id": "name",
            "name": RECORD,
            "type": "A",
            "values": {side: tuple(of) for side, of in values.items()},
            "max_ttl_s": 60,
            "lower_ttl": False,
            "client": None,
            "client_password": None,
            "server": self.at,
            "key": KEY,
            "key_algorithm": "hmac-sha256",
            "key_secret": Secret(SECRET),
            "authorities": (self.at,),
            **words,
        }

    def pointer(self, values: Mapping[Side, Sequence[str]], **words: Any) -> DnsPointer:
        """A pointer to the record."""
        return DnsPointer(**self.words(values, **words))

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o644)

    def _answers(self) -> bool:
        try:
            Nameserver(self.at).ask(ZONE, "SOA")
        except ServerRefused:
            return False
        return True


_CONFIG = """
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
log:
  - target: stderr
    any: info
database:
    storage: {folder}/db
key:
  - id: {key}
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: ours
    key: {key}
    action: update
    update-owner: name
    update-owner-match: equal
    update-owner-name: [ {only}. ]
zone:
  - domain: {zone}
    file: {folder}/zone
    acl: ours
    # The file is never written: after a restart the journal is applied to it.
    zonefile-sync: -1
"""
