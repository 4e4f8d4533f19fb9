"""The ways to tell people: a command, a webhook, anything that apprise speaks.

Owns one try of each, within its time. When there is something to tell, and that it
never holds a run up, is for `outbox.py` and `report/notices.py`. No text from here
shows a URL: they are secrets.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import closing
from datetime import timedelta
from http import HTTPStatus
from typing import Protocol

from bluegreen.model.notice import Notice
from bluegreen.model.secret import Secret

OUTPUT_CHARACTERS = 200


class NotSent(Exception):
    """One try failed; says why in a few words, without a secret."""


class Way(Protocol):
    """One way to tell people."""

    name: str

    def send(self, notice: Notice) -> None:
        """Tell it once.

        Raises:
            NotSent: it is not sure that it was taken.
        """
        ...


class Command:
    """A program that gets the notice as JSON on its standard input.

    Args:
        words: the program and its arguments; no shell.
        within: it is killed after that, with all that it started.
    """

    name = "command"

    def __init__(self, words: tuple[str, ...], within: timedelta) -> None:
        self._words = words
        self._within = within

    def send(self, notice: Notice) -> None:
        """Run it to its end."""
        told = {
            "BLUEGREEN_OCCASION": notice.name,
            "BLUEGREEN_PLAYBOOK": notice.playbook,
            "BLUEGREEN_SUBJECT": notice.subject,
        }
        try:
            process = subprocess.Popen(
                self._words,
                env={**os.environ, **told},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise NotSent(f"{self._words[0]}: {error.strerror}") from None
        with process:
            self._finish(process, json.dumps(notice.as_json()))

    def _finish(self, process: subprocess.Popen[str], text: str) -> None:
        try:
            said, _ = process.communicate(text, self._within.total_seconds())
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise NotSent(f"{self._words[0]} did not end in time") from None
        if process.returncode:
            last = said.strip()[-OUTPUT_CHARACTERS:]
            raise NotSent(
                f"{self._words[0]} ended with status {process.returncode}"
                + (f": {last}" if last else "")
            )


class Webhook:
    """A URL to which the notice is sent as JSON. A redirect is not followed.

    Args:
        url: http or https.
        within: for each of connecting, sending and the answer.
    """

    name = "webhook"

    def __init__(self, url: Secret, within: timedelta) -> None:
        self._url = url
        self._within = within

    def send(self, notice: Notice) -> None:
        """POST it."""
        # Most calls tell no one: what HTTP needs is not loaded for them.
        from http.client import HTTPConnection, HTTPException, HTTPSConnection
        from urllib.parse import urlsplit

        try:
            url = urlsplit(self._url.reveal())
            kinds = {"http": HTTPConnection, "https": HTTPSConnection}
            if url.scheme not in kinds or not url.hostname:
                raise NotSent("its URL is not of the form https://host/path")
            within = self._within.total_seconds()
            there = kinds[url.scheme](url.hostname, url.port, timeout=within)
            path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
            headers = {"Content-Type": "application/json", "User-Agent": "bluegreen"}
            with closing(there):
                there.request("POST", path, json.dumps(notice.as_json()), headers)
                status = there.getresponse().status
        except (OSError, HTTPException, ValueError) as error:
            raise NotSent(type(error).__name__) from None
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise NotSent(f"HTTP status {status}")


class Apprise:
    """Any service that the package apprise speaks, by its URL."""

    name = "apprise"

    def __init__(self, url: Secret) -> None:
        self._url = url

    def send(self, notice: Notice) -> None:
        """Tell it, by a package that is loaded only now."""
        try:
            import apprise
        except ImportError:
            raise NotSent("pip install 'bluegreen[notify]' brings it") from None
        services = apprise.Apprise()
        if not services.add(self._url.reveal()):
            raise NotSent("apprise does not know this URL")
        if not services.notify(title=notice.subject, body=notice.text):
            raise NotSent("apprise could not send it")
