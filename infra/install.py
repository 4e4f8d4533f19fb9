"""What `make install`, `make pgbouncer` and `make servers` do; runs on python3 alone.

Owns getting programs onto a machine: the virtual environment, PgBouncer, and the
PostgreSQL majors that the Python wheel does not carry. Each part looks first and does
nothing the second time. Packages of the system are installed as root or through sudo;
otherwise it says what to install.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
SERVERS = ROOT / "tests" / "servers"
CACHE = Path(os.environ.get("BLUEGREEN_SERVERS") or ROOT / ".cache" / "servers")
PATH_OF_DAEMONS = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


def main() -> None:
    """Run the part named on the command line."""
    parts = {"venv": install_venv, "pgbouncer": install_pgbouncer}
    parts["servers"] = install_servers
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        sys.exit(f"usage: python3 infra/install.py {'|'.join(parts)}")
    parts[sys.argv[1]]()


def install_venv() -> None:
    """Make .venv from requirements.lock, and the project itself, editable."""
    if sys.version_info < (3, 11):  # noqa: UP036 (this file runs on any python3)
        sys.exit(
            f"bluegreen needs Python 3.11 or newer; this is {sys.version.split()[0]}"
        )
    wanted = fingerprint(LOCK, ROOT / "pyproject.toml")
    stamp = VENV / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    python = VENV / "bin" / "python"
    if not (VENV / "bin" / "pip").exists():
        make_venv()
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run(*pip, "--require-hashes", "-r", LOCK)
    run(*pip, "--no-deps", "--no-build-isolation", "-e", ROOT)
    stamp.write_text(wanted)


def make_venv() -> None:
    """Make the virtual environment; Debian keeps a part of venv in a package apart."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    try:
        import ensurepip  # noqa: F401 (its absence is the question)
    except ImportError:
        apt_install(version)
    venv.create(VENV, with_pip=True, clear=True)


def install_pgbouncer() -> None:
    """Install PgBouncer from the system's packages. Its service is not used."""
    if shutil.which("pgbouncer", path=PATH_OF_DAEMONS) is None:
        apt_install("pgbouncer")


def install_servers() -> None:
    """Fetch the npm packages pinned by tests/servers/package-lock.json.

    And what judges the units in infra/, where the service manager itself need not run,
    a DNS server and a load balancer.
    """
    if shutil.which("haproxy", path=PATH_OF_DAEMONS) is None:
        apt_install("haproxy")
    if shutil.which("knotd", path=PATH_OF_DAEMONS) is None:
        apt_install("knot")
    if shutil.which("systemd-analyze") is None:
        apt_install("systemd")
    lock = SERVERS / "package-lock.json"
    wanted = fingerprint(lock)
    stamp = CACHE / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if platform.machine() != "x86_64":
        sys.exit(
            f"the pinned servers are for x86_64, not for {platform.machine()};\n"
            "name folders of your own in BLUEGREEN_PG_13 … BLUEGREEN_PG_17"
        )
    if shutil.which("npm") is None:
        apt_install("nodejs", "npm")
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SERVERS / name, CACHE / name)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=CACHE)
    for package in sorted((CACHE / "node_modules").glob("pg*")):
        link_libraries(package)
    stamp.write_text(wanted)


def link_libraries(package: Path) -> None:
    """Make the links that npm cannot store; the package's own script is not run."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        place, points_at = package / link["target"], package / link["source"]
        if not place.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(os.path.relpath(points_at, place.parent))


def apt_install(*packages: str) -> None:
    """Install Debian packages, or stop and say which are missing."""
    become = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*become, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    able = shutil.which("apt-get") and (not become or shutil.which("sudo"))
    if able:
        # A package's service must not start: what we need is the program alone.
        subprocess.run([*apt, "update"], stdout=subprocess.DEVNULL)
        words = ["install", "--no-install-recommends", *packages]
        if subprocess.run([*apt, *words], stdout=subprocess.DEVNULL).returncode == 0:
            return
    sys.exit(
        f"missing here: {' '.join(packages)}\ninstall it as root, then run make again"
    )


def run(*words: str | Path, cwd: Path = ROOT) -> None:
    """Run a program that must succeed, and show what it says only when it fails."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        sys.exit(f"failed: {' '.join(map(str, words))}")


def fingerprint(*files: Path) -> str:
    """Stand-in for the content of files, to see that nothing changed."""
    content = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


if __name__ == "__main__":
    main()
