"""systemd: a service that runs once and a timer that starts it.

Sources: systemd.service(5) "Command lines", systemd.timer(5), systemd.time(7).
"""

from __future__ import annotations

from shlex import quote

from bluegreen.schedule.job import Files, Job, filled

_HOMES = ("/home", "/root", "/run/user")


def files_of(job: Job) -> Files:
    """The two units."""
    at_home = [p for p in (job.playbook, *job.folders) if str(p).startswith(_HOMES)]
    folders = [f"ReadWritePaths={_word(str(one))}\n" for one in job.folders]
    service = filled(
        "service",
        {
            "condition": str(job.playbook).replace("%", "%%"),
            "command": " ".join(map(_word, job.words)),
            "user": job.user,
            "folders": "".join(folders),
            # `yes` would hide the playbook itself.
            "home": "read-only" if at_home else "yes",
        },
    )
    end = ""
    if job.end is not None:
        end = f"# The window's end.\nOnCalendar={job.end:%Y-%m-%d %H:%M:%S} UTC\n"
    timer = filled("timer", {"unit": job.unit, "end": end})
    names = f"{job.unit}.service", f"{job.unit}.timer"
    return Files(
        dict(zip(names, (service, timer), strict=True)),
        (
            *(f"install -d -o {job.user} -m 0700 {quote(str(p))}" for p in job.folders),
            f"install -m 0644 {names[0]} {names[1]} /etc/systemd/system/",
            "systemctl daemon-reload",
            f"systemctl enable --now {names[1]}",
        ),
    )


def _word(text: str) -> str:
    """One word of a command line: `%` and `$` are signs of their own there."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    text = text.replace("%", "%%").replace("$", "$$")
    plain = all(c.isalnum() or c in "/._-+:@%$," for c in text)
    return text if plain else f'"{text}"'
