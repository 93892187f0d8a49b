"""Prepares this folder for tests in a real browser: Debian's Chromium, Playwright, which drives it, and npm's `jose`.

`make test-browser` runs it, after tools/bootstrap.py. Nothing of it is needed to run cardnet or its other tests.
"""

import json
import os
import shutil
import subprocess
import sys

from bootstrap import PYTHON, ROOT, VENV, is_fresh, run, say, stamp

TESTS = ROOT / "tests" / "browser"
LOCK = TESTS / "requirements.lock"
PACKAGES = (TESTS / "package.json", TESTS / "package-lock.json")
JOSE = VENV / "jose"
"""Where npm's packages are put: beside Python's, and not into the tests' own folder."""


def main() -> None:
    need("chromium", "chromium")
    need("node", "nodejs", "npm")
    install_playwright()
    install_jose()


def need(command: str, *packages: str) -> None:
    """See that a program is there; install Debian's packages where we may."""
    if shutil.which(command):
        return
    how = f"apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"cardnet: {command} is missing: {how}, or what your system calls them")
    say(f"installing {', '.join(packages)} (once, a minute or two) …")
    run("apt-get", "update", "-q", failure="the lists of packages could not be fetched; apt-get says why above")
    quietly = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q", "--no-install-recommends")
    run(*quietly, *packages, failure=f"{command} could not be installed: {how} yourself")


def install_playwright() -> None:
    if is_fresh("playwright", LOCK) and (VENV / "bin" / "playwright").exists():
        return
    say("installing Playwright (once, 46 MB) …")
    install = ("install", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:", "-r", LOCK)
    run(PYTHON, "-m", "pip", *install, failure="Playwright could not be installed; pip gives the reason above")
    stamp("playwright", LOCK)


def install_jose() -> None:
    if is_fresh("jose", *PACKAGES) and (JOSE / "node_modules" / "jose").is_dir():
        return
    name = ", ".join(json.loads(PACKAGES[0].read_text())["dependencies"])
    say(f"installing npm's {name} …")
    JOSE.mkdir(exist_ok=True)
    for package in PACKAGES:
        shutil.copy(package, JOSE)
    ci = ("npm", "ci", "--prefix", JOSE, "--ignore-scripts", "--no-audit", "--no-fund")
    run(*ci, failure=f"npm's {name} could not be installed; npm gives the reason above")
    stamp("jose", *PACKAGES)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("cardnet: interrupted; the next run takes up where this one stopped")
    except subprocess.SubprocessError as problem:
        sys.exit(f"cardnet: {problem}")
