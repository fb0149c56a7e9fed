"""Images for a machine that reaches no registry of images, from Debian's packages alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.architecture.source import ROOT
from tests.containers.engine import BUILD_SECONDS, Failed, answers, docker, run

SUITE = "trixie"
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"
IMAGES = Path(__file__).parent / "images"
NAME = "greekdesk-stand-in"
#: Variable of compose.yaml, or of the test's own, to the public image and its stand-in.
BASES = {
    "PYTHON_IMAGE": ("python:3.13-slim", "python"),
    "NODE_IMAGE": ("node:24-slim", "node"),
    "POSTGRES_IMAGE": ("postgres:18", "postgres"),
    "VALKEY_IMAGE": ("valkey/valkey:9-alpine", "valkey"),
    "CADDY_IMAGE": ("caddy:2", "caddy"),
}


def chosen_images() -> dict[str, str]:
    """Return the image of each variable: what the environment says, the public one, a stand-in."""
    chosen = {}
    for variable, (public, target) in BASES.items():
        image = os.environ.get(variable) or public
        if not _have(image):
            image = f"{NAME}/{target}"
            _make(target)
        chosen[variable] = image
    return chosen


def _have(image: str) -> bool:
    return answers("docker", "image", "inspect", image) or answers("docker", "pull", "-q", image)


def _make(target: str) -> None:
    base = f"{NAME}/python"
    if not answers("docker", "image", "inspect", base):
        _import_debian(base)
    if target == "python":
        return
    with tempfile.TemporaryDirectory() as folder:
        for file in (*IMAGES.iterdir(), ROOT / "requirements-setup.txt"):
            shutil.copy(file, folder)
        options = ["--build-arg", f"BASE={base}", "--target", target, "--tag", f"{NAME}/{target}"]
        docker("build", "--quiet", *options, folder, seconds=BUILD_SECONDS)


def _import_debian(image: str) -> None:
    """Make a bare Debian with Python, that trusts the certificates this machine trusts."""
    if os.geteuid() or not shutil.which("debootstrap"):
        raise Failed(
            "No registry of images answers. To make stand-ins of Debian's packages, run this as "
            "root with debootstrap installed."
        )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        arguments = ("--variant=minbase", f"--include={PACKAGES}", SUITE, str(root))
        run("debootstrap", *arguments, seconds=BUILD_SECONDS)
        own = root / "usr/local/share/ca-certificates"
        for file in Path("/usr/local/share/ca-certificates").glob("*.crt"):
            shutil.copy(file, own)
        run("chroot", str(root), "update-ca-certificates")
        # pip brings its own list of authorities, and looks into the system's only when told.
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        (root / "etc/pip.conf").write_text(f"[global]\ncert = {bundle}\n")
        unused = [
            f"--exclude=./{path}"
            for path in (
                "var/cache/apt/archives/*.deb",
                "var/lib/apt/lists/*",
                "usr/share/doc",
                "usr/share/locale",
                "usr/share/man",
            )
        ]
        with subprocess.Popen(
            ["tar", "-C", str(root), *unused, "-c", "."], stdout=subprocess.PIPE
        ) as packed:
            done = subprocess.run(
                ["docker", "import", "-", image],
                stdin=packed.stdout,
                capture_output=True,
                check=False,
            )
        if packed.returncode or done.returncode:
            raise Failed(f"docker import: {done.stderr.decode()}")
