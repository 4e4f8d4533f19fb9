"""What `schedule` writes: right for odd names too, and as each scheduler reads it."""

from __future__ import annotations

import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from bluegreen.schedule import cron, eventbridge, kubernetes, systemd
from bluegreen.schedule.examples import examples
from bluegreen.schedule.job import Job
from tests.kit.schedulers import cron_entry, systemd_analyze, validate_manifest

INFRA = Path(__file__).parents[2] / "infra"
END = datetime(2031, 5, 5, 1, 49, 12, tzinfo=UTC)
PLAIN = Job("shop", "/usr/local/bin/bluegreen", Path("/etc/bluegreen/shop.yml"))
ODD = Job(
    name="a_long_name_with_40_characters_000000000",
    program="/opt/my tools/50%/bluegreen",
    playbook=Path('/home/ann/it\'s "50%" $HOME \\ here.yml'),
    user="ann",
    end=END,
    variables=("BLUE_PASSWORD", "_x"),
    folders=(Path("/srv/dumps of blue/50%"),),
)
JOBS = pytest.mark.parametrize("job", [PLAIN, ODD], ids=["plain", "odd"])


def test_the_examples_are_what_it_writes() -> None:
    for path, text in examples().items():
        assert (INFRA / path).read_text() == text, f"run `make pages`: {path}"


@JOBS
def test_no_placeholder_is_left(job: Job) -> None:
    for kind in (systemd, cron, kubernetes, eventbridge):
        for text in kind.files_of(job).texts.values():
            assert not re.search(r"@[a-z]+@", text)


@JOBS
def test_systemd_reads_the_units(job: Job, tmp_path: Path) -> None:
    texts = systemd.files_of(job).texts
    service, timer = texts
    # The program need not be installed on the machine that runs the tests.
    command = texts[service].replace("\nExecStart=", "\nExecStart=/bin/echo ")
    (tmp_path / service).write_text(command)
    (tmp_path / timer).write_text(texts[timer])
    words = ("verify", "--man=no", str(tmp_path / service), str(tmp_path / timer))
    done = systemd_analyze(*words)
    told = [line for line in done.stderr.splitlines() if "bluegreen" in line]
    assert (done.returncode, told) == (0, []), done.stderr
    assert f"Unit={service}" in texts[timer]


def test_systemd_starts_these_words(tmp_path: Path) -> None:
    """systemd's own splitting, by its own rules for `%` and `$`."""
    text = systemd.files_of(ODD).texts[f"{ODD.unit}.service"]
    [line] = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert shlex.split(line.replace("%%", "%").replace("$$", "$")) == list(ODD.words)
    assert not re.search(r"(?<![%])%(?!%)", line.replace("%%", ""))
    assert "ProtectHome=read-only" in text
    assert 'ReadWritePaths="/srv/dumps of blue/50%%"' in text


def test_the_timer_knows_the_end_in_utc() -> None:
    timer = systemd.files_of(ODD).texts[f"{ODD.unit}.timer"]
    times = re.findall(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    assert times == ["*:0/15", "2031-05-05 01:49:12 UTC"]
    for one in times:
        done = systemd_analyze("calendar", one)
        assert done.returncode == 0, done.stderr
    assert "(in UTC): Mon 2031-05-05 01:49:12 UTC" in done.stdout or (
        "2031-05-05 01:49:12 UTC" in done.stdout
    )
    assert "Persistent=true" in timer
    plain = systemd.files_of(PLAIN).texts[f"{PLAIN.unit}.timer"]
    assert re.findall(r"^OnCalendar=(.*)$", plain, re.MULTILINE) == ["*:0/15"]


@JOBS
def test_cron_reads_the_line_and_a_shell_the_words(job: Job, tmp_path: Path) -> None:
    [(name, text)] = cron.files_of(job).texts.items()
    assert re.fullmatch(r"[a-z0-9-]+", name), "cron passes over a name with a dot"
    _, user, command = cron_entry(text)
    assert user == job.user
    assert not re.search(r"(?<!\\)%", command)
    # cron hands the line to the shell with `\%` as `%`.
    script = command.replace("\\%", "%").partition(" 2>>")[0]
    script = script.replace(f"flock -n /run/lock/{job.unit}", "printf '%s\\n'")
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == list(job.words)
    needed = [line for line in cron.files_of(job).install if "cron sets no" in line]
    assert len(needed) == len(job.variables)


@JOBS
def test_kubernetes_takes_the_manifest(job: Job, tmp_path: Path) -> None:
    [(name, text)] = kubernetes.files_of(job).texts.items()
    file = tmp_path / name
    file.write_text(text)
    done = validate_manifest(file)
    assert done.returncode == 0, done.stdout + done.stderr
    told: Any = yaml.safe_load(text)
    unit = told["metadata"]["name"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", unit)
    # A CronJob's name: 52 characters, as its jobs' names are longer by eleven.
    assert len(unit) <= 52
    pod = told["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    variables = pod["containers"][0]["env"]
    assert [v["name"] for v in variables if v["name"] != "HOME"] == [*job.variables]


@JOBS
def test_terraform_reads_the_module(job: Job) -> None:
    [text] = eventbridge.files_of(job).texts.values()
    told = str(hcl2.loads(text))
    assert "ecs:RunTask" in told
    assert "iam:PassRole" in told
    assert ("2031-05-05T01:49:12Z" in text) == (job.end is not None)
    assert "scheduler.amazonaws.com" in told
    assert re.search(r"command = \[\"decommission\", \"--if-due\", ", text)


def test_a_text_of_terraform_begins_no_template() -> None:
    job = Job("shop", "bluegreen", Path("/etc/${env}/%{x}.yml"))
    [text] = eventbridge.files_of(job).texts.values()
    assert '"/etc/$${env}/%%{x}.yml"' in text
    hcl2.loads(text)
