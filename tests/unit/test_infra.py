"""What runs `decommission` by itself: units, cron line and manifest are well formed.

systemd and Kubernetes judge their own files where their tools are installed; what
matters most to us is read by hand as well, so that nothing passes unseen without them.
"""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from bluegreen.cli import app
from tests.kit.schedulers import cron_entry, systemd_analyze, validate_manifest

INFRA = Path(__file__).parents[2] / "infra"
UNIT = "bluegreen-decommission-shop"
SERVICE = INFRA / "systemd" / f"{UNIT}.service"
TIMER = INFRA / "systemd" / f"{UNIT}.timer"
CRON = INFRA / "cron" / UNIT
MANIFEST = INFRA / "kubernetes" / "bluegreen-shop.yaml"
WORDS = ["decommission", "--if-due", "/etc/bluegreen/shop.yml"]


METRICS_SERVICE = INFRA / "bluegreen-metrics.service"
METRICS_TIMER = INFRA / "bluegreen-metrics.timer"
METRICS_CRON = INFRA / "bluegreen-metrics.cron"
RULES = INFRA / "prometheus" / "bluegreen-rules.yml"


class TestMetrics:
    def test_systemd_finds_no_fault(self, tmp_path: Path) -> None:
        for unit in (METRICS_SERVICE, METRICS_TIMER):
            text = unit.read_text().replace("/usr/local/bin/bluegreen", "/bin/true")
            (tmp_path / unit.name).write_text(text)
        done = systemd_analyze(
            "verify",
            "--man=no",
            str(tmp_path / METRICS_SERVICE.name),
            str(tmp_path / METRICS_TIMER.name),
        )
        told = [line for line in done.stderr.splitlines() if "bluegreen" in line]
        assert (done.returncode, told) == (0, [])

    def test_a_status_that_is_in_doubt_is_no_failed_unit(self) -> None:
        service = _unit(METRICS_SERVICE)["Service"]
        assert service["SuccessExitStatus"] == "7"
        assert "status --prometheus /etc/bluegreen/playbook.yml" in service["ExecStart"]

    def test_cron_writes_the_same_file_assystemd_analyze(self) -> None:
        line = METRICS_CRON.read_text().splitlines()[-1]
        assert line.startswith("* * * * * bluegreen ")
        assert "%" not in line
        assert "bluegreen.prom.new; mv" in line.replace(" 2>/dev/null", "").replace(
            "$d/", ""
        )

    def test_every_alert_is_over_a_metric_that_exists(self) -> None:
        page = (INFRA.parent / "docs" / "monitors.md").read_text()
        rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
        assert rules
        for rule in rules:
            named = set(re.findall(r"bluegreen_[a-z_]+", rule["expr"]))
            assert named, rule
            assert not {name for name in named if f"`{name}`" not in page}, rule
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in {"page", "warn"}


class TestSystemd:
    def test_the_service_asks_whether_it_is_due(self) -> None:
        service = _unit(SERVICE)["Service"]
        program, *words = service["ExecStart"].split()
        assert program == "/usr/local/bin/bluegreen"
        assert words == WORDS
        assert service["Type"] == "oneshot"
        assert service["TimeoutStartSec"] == "infinity"

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("PrivateTmp", "yes"),
            ("CapabilityBoundingSet", ""),
            ("UMask", "0077"),
            ("KillMode", "mixed"),
        ],
    )
    def test_the_service_is_shut_in(self, option: str, value: str) -> None:
        assert _unit(SERVICE)["Service"][option] == value

    def test_the_service_runs_as_nobody_special(self) -> None:
        assert _unit(SERVICE)["Service"]["User"] not in {"root", "0", ""}

    def test_the_timer_starts_the_service(self) -> None:
        timer = _unit(TIMER)
        assert timer["Timer"]["Unit"] == SERVICE.name
        assert timer["Install"]["WantedBy"] == "timers.target"

    def test_systemd_finds_no_fault(self, tmp_path: Path) -> None:
        # The program need not be installed on the machine that runs the tests.
        for unit in (SERVICE, TIMER):
            text = unit.read_text().replace("/usr/local/bin/bluegreen", "/bin/true")
            (tmp_path / unit.name).write_text(text)
        done = systemd_analyze(
            "verify",
            "--man=no",
            str(tmp_path / SERVICE.name),
            str(tmp_path / TIMER.name),
        )
        told = [line for line in done.stderr.splitlines() if "bluegreen" in line]
        assert (done.returncode, told) == (0, [])

    def test_systemd_finds_a_fault_that_is_there(self, tmp_path: Path) -> None:
        broken = SERVICE.read_text().replace("Type=oneshot", "Type=onesho")
        (tmp_path / SERVICE.name).write_text(broken)
        done = systemd_analyze("verify", "--man=no", str(tmp_path / SERVICE.name))
        assert "onesho" in done.stderr

    def test_systemd_knows_the_time(self) -> None:
        when = _unit(TIMER)["Timer"]["OnCalendar"]
        done = systemd_analyze("calendar", "--iterations=2", when)
        assert done.returncode == 0, done.stderr
        assert "Normalized form: *-*-* *:00/15:00" in done.stdout


class TestCron:
    def test_the_line_is_one_that_cron_reads(self) -> None:
        times, user, command = cron_entry(CRON.read_text())
        assert times == ["*/15", "*", "*", "*", "*"]
        assert user == "bluegreen"
        assert " ".join(["bluegreen", *WORDS]) in command

    def test_every_percent_sign_is_escaped(self) -> None:
        _, _, command = cron_entry(CRON.read_text())
        assert "%" in command
        assert not re.search(r"(?<!\\)%", command)

    def test_the_file_ends_with_a_new_line(self) -> None:
        # cron passes over a last line that is not ended.
        assert CRON.read_text().endswith("\n")

    def test_a_shell_can_read_what_cron_hands_on(self) -> None:
        _, _, command = cron_entry(CRON.read_text())
        script = command.replace("\\%", "%")
        done = subprocess.run(["/bin/sh", "-n", "-c", script], capture_output=True)
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize(
        "line",
        [
            "*/15 * * * bluegreen true",
            "61 * * * * bluegreen true",
            "*/0 * * * * bluegreen true",
            "* * * * *",
        ],
    )
    def test_the_grammar_knows_a_bad_line(self, line: str) -> None:
        with pytest.raises(ValueError):
            cron_entry(f"{line}\n")


class TestKubernetes:
    def test_kubernetes_finds_no_fault(self) -> None:
        done = validate_manifest(MANIFEST)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_kubernetes_finds_a_fault_that_is_there(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.yaml"
        text = MANIFEST.read_text()
        broken.write_text(text.replace("concurrencyPolicy", "concurencyPolicy"))
        assert validate_manifest(broken).returncode != 0

    def test_one_at_a_time_and_no_retry(self) -> None:
        spec = _manifest()["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0

    def test_it_asks_whether_it_is_due(self) -> None:
        container = _container()
        assert [*container["command"], *container["args"]] == [
            "bluegreen",
            *WORDS[:2],
            "/etc/bluegreen/playbook.yml",
        ]

    def test_the_container_is_shut_in(self) -> None:
        pod = _manifest()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert _container()["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }

    def test_no_password_stands_in_it(self) -> None:
        for variable in _container()["env"]:
            if variable["name"].endswith("PASSWORD"):
                assert set(variable) == {"name", "valueFrom"}, variable["name"]


def test_the_verb_takes_these_words() -> None:
    command = app.command_of("decommission")
    assert "--if-due" in {name for option in command.params for name in option.opts}


def _unit(path: Path) -> ConfigParser:
    """Read a unit strictly; an option may stand once and has one line."""
    parser = ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"), strict=True
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text())
    return parser


def _manifest() -> Any:
    return yaml.safe_load(MANIFEST.read_text())


def _container() -> Any:
    pod = _manifest()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return pod["containers"][0]
