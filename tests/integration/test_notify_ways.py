"""The ways to people, each against something real on loopback."""

from __future__ import annotations

import json
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.notice import Notice, Occasion
from bluegreen.model.secret import Secret
from bluegreen.notify.ways import Apprise, Command, NotSent, Webhook

NOTICE = Notice(
    Occasion.MOVED, "shop", "bluegreen shop: moved", "all is well", datetime.now(UTC)
)
SHORT = timedelta(seconds=1)
LONG = timedelta(seconds=30)
TOKEN = "T0PS3CRET"


class Hook(BaseHTTPRequestHandler):
    """Answers with the status that its path ends in; a redirect leads to /200."""

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        got: list[tuple[str, Any]] = self.server.got  # type: ignore[attr-defined]
        got.append((self.path, json.loads(self.rfile.read(size))))
        self.send_response(int(self.path.rpartition("/")[2].partition("?")[0]))
        self.send_header("Location", f"http://{self.headers['Host']}/elsewhere/200")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def hook() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.got = []  # type: ignore[attr-defined]
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def at(server: ThreadingHTTPServer, path: str) -> Secret:
    return Secret(f"http://127.0.0.1:{server.server_address[1]}/{path}")


def test_a_webhook_gets_the_notice(hook: ThreadingHTTPServer) -> None:
    Webhook(at(hook, f"{TOKEN}/200?a=b"), LONG).send(NOTICE)
    [(path, told)] = hook.got  # type: ignore[attr-defined]
    assert path == f"/{TOKEN}/200?a=b"
    assert told == {
        "version": 1,
        "occasion": "moved",
        "playbook": "shop",
        "subject": "bluegreen shop: moved",
        "body": "all is well",
        "text": "bluegreen shop: moved\nall is well",
        "at": NOTICE.at.isoformat(timespec="seconds"),
    }


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 500])
def test_an_answer_that_is_no_yes_is_not_sent(
    hook: ThreadingHTTPServer, status: int
) -> None:
    with pytest.raises(NotSent, match=f"^HTTP status {status}$"):
        Webhook(at(hook, f"{TOKEN}/{status}"), LONG).send(NOTICE)
    assert len(hook.got) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "url",
    [
        f"file:///etc/{TOKEN}",
        f"ftp://127.0.0.1/{TOKEN}",
        TOKEN,
        "",
        f"http:///{TOKEN}",
        f"http://127.0.0.1:port/{TOKEN}",
        f"http://127.0.0.1:1/{TOKEN}",
        f"http://127.0.0.1:1/{TOKEN} \r\nX: y",
        f"http://[::1/{TOKEN}",
    ],
)
def test_a_url_that_leads_nowhere_says_so_and_does_not_show_itself(url: str) -> None:
    with pytest.raises(NotSent) as caught:
        Webhook(Secret(url), SHORT).send(NOTICE)
    assert TOKEN not in str(caught.value)
    assert str(caught.value)


def test_a_server_that_says_nothing_is_given_up() -> None:
    with silent() as port, pytest.raises(NotSent, match=r"^TimeoutError$"):
        Webhook(Secret(f"http://127.0.0.1:{port}/"), SHORT).send(NOTICE)


def program(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_command_gets_the_notice(tmp_path: Path) -> None:
    text = (
        "import os, sys, pathlib\n"
        "pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())\n"
        "assert os.environ['BLUEGREEN_SUBJECT'] == 'bluegreen shop: moved'\n"
    )
    out = tmp_path / "two words $HOME"
    Command((program(tmp_path, text), str(out)), LONG).send(NOTICE)
    assert json.loads(out.read_text()) == NOTICE.as_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; print('no pager'); sys.exit(3)", "ended with status 3: no pager"),
        ("import sys; sys.exit(1)", "ended with status 1"),
        ("import time; time.sleep(60)", "did not end in time"),
        (
            "import subprocess, time\n"
            + 2 * "subprocess.Popen(['sleep', '60']).wait()\n",
            "did not end in time",
        ),
    ],
)
def test_a_command_that_fails_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = program(tmp_path, text)
    with pytest.raises(NotSent) as caught:
        Command((path,), SHORT).send(NOTICE)
    assert str(caught.value) == f"{path} {said}"


def test_a_command_that_reads_nothing_or_is_not_there(tmp_path: Path) -> None:
    Command((program(tmp_path, "pass"),), LONG).send(NOTICE)
    missing = str(tmp_path / "missing")
    with pytest.raises(NotSent, match=f"^{missing}: No such file or directory$"):
        Command((missing,), LONG).send(NOTICE)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_what_apprise_speaks(hook: ThreadingHTTPServer) -> None:
    port = hook.server_address[1]
    Apprise(Secret(f"json://127.0.0.1:{port}/{TOKEN}/200")).send(NOTICE)
    [(_, told)] = hook.got  # type: ignore[attr-defined]
    assert (told["title"], told["message"]) == (NOTICE.subject, NOTICE.text)
    with pytest.raises(NotSent, match=r"^apprise could not send it$"):
        Apprise(Secret(f"json://127.0.0.1:{port}/{TOKEN}/500")).send(NOTICE)
    with pytest.raises(NotSent, match=r"^apprise does not know this URL$"):
        Apprise(Secret(f"nonsense://{TOKEN}")).send(NOTICE)
