"""`make audit`: known vulnerabilities of everything that is pinned, from PyPI and from npm.

Exit status 0: audited, none found. 1: found. 2: an advisory service did not answer, so that
nothing is known; `make lint` takes that for a warning, `make audit` for a failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PINS = ROOT / "deploy" / "constraints.txt"
NPM = [ROOT / "tileserver" / "viewer", ROOT / "tests" / "clients"]
FOUND, UNKNOWN = 1, 2


def main() -> int:
    statuses = [of_python(), *(of_npm(folder) for folder in NPM)]
    return FOUND if FOUND in statuses else max(statuses)


def of_python() -> int:
    """The status of the pinned Python packages."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--format", "json"]
    report = answer([*command, "--progress-spinner", "off", "-r", str(PINS)], ROOT)
    packages = report.get("dependencies", [])
    for package in packages:
        for flaw in package.get("vulns", []):
            print(f"audit: {package['name']} {package['version']}: {flaw['id']}")
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if any(package.get("vulns") for package in packages):
        return FOUND
    if not packages or skipped:
        print(f"audit: {len(skipped) or 'all'} Python packages could not be looked up")
        return UNKNOWN
    print(f"audit: {len(packages)} Python packages, no known vulnerability")
    return 0


def of_npm(folder: Path) -> int:
    """The status of one folder's package-lock.json."""
    report = answer(["npm", "audit", "--json"], folder)
    flaws = report.get("vulnerabilities")
    where = folder.relative_to(ROOT)
    if flaws is None:
        print(f"audit: the packages of {where} could not be looked up")
        return UNKNOWN
    for name, flaw in flaws.items():
        print(f"audit: {where}: {name}: {flaw['severity']}")
    if not flaws:
        print(f"audit: {where}, no known vulnerability")
    return FOUND if flaws else 0


def answer(command: list[str], folder: Path) -> dict[str, Any]:
    """What a command prints as JSON; empty where it prints none or takes too long."""
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
        report = json.loads(run.stdout)
    except (subprocess.TimeoutExpired, FileNotFoundError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
