"""A Dockerfile's instructions, carried out in a folder by bubblewrap."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import NamedTuple

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Instruction(NamedTuple):
    """One instruction: its name in capitals, and what follows, on one line."""

    name: str
    text: str


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    parts = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [Instruction(name.upper(), rest.strip()) for name, rest in parts]


@dataclass
class Image:
    """A root file system, and the configuration that an image of it would have."""

    root: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        }
    )
    folder: str = "/"
    user: int = 0
    entry_point: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)

    def copied_to(self, root: Path) -> Image:
        """A stage that begins as this one ends."""
        copy_root(self.root, root)
        return replace(self, root=root, environment=dict(self.environment))

    def run(
        self,
        script: str,
        arguments: dict[str, str] | None = None,
        bind: tuple[str, ...] = (),
        capture: bool = False,
    ) -> str:
        """Run a build step as root, with this machine's network and certificates."""
        command = ["bwrap", "--bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev"]
        command += ["--tmpfs", "/tmp", "--chmod", "1777", "/tmp"]
        command += ["--cap-add", "ALL", "--unshare-pid", "--clearenv"]
        for path in ("/etc/resolv.conf", *bind):
            command += ["--ro-bind", path, path]
        trusted = "/tmp/certificates.crt"
        variables = {**self.environment, **(arguments or {}), "DEBIAN_FRONTEND": "noninteractive"}
        command += ["--ro-bind", str(CERTIFICATES), trusted]
        variables |= {"PIP_CERT": trusted, "NODE_EXTRA_CA_CERTS": trusted}
        for name, value in variables.items():
            command += ["--setenv", name, value]
        command += ["--chdir", self.folder, "sh", "-c", script]
        done = subprocess.run(command, check=True, text=True, capture_output=capture)
        return done.stdout or ""

    def command(
        self, cache: Path, environment: dict[str, str], words: list[str], as_first: bool = True
    ) -> list[str]:
        """What runs the words as the image's user, without capabilities, on a read-only root."""
        command = ["bwrap", "--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev"]
        command += ["--tmpfs", "/tmp", "--chmod", "1777", "/tmp"]
        command += ["--bind", str(cache), "/var/cache/overzoom", "--unshare-pid", "--clearenv"]
        for capability in ("SETUID", "SETGID", "SETPCAP"):  # until setpriv drops them
            command += ["--cap-add", f"CAP_{capability}"]
        command += ["--as-pid-1"] if as_first else []
        for name, value in {**self.environment, **environment}.items():
            command += ["--setenv", name, value]
        command += ["--chdir", self.folder, "setpriv", f"--reuid={self.user}"]
        command += [f"--regid={self.user}", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
        command += ["--bounding-set=-all"]
        return [*command, *words]


def copy_root(source: Path, target: Path) -> None:
    """Copy a root file system, with owners and device nodes (not what they hold)."""
    target.mkdir(parents=True)
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)


def carry_out(
    instruction: Instruction,
    image: Image,
    stages: dict[str, Image],
    context: Path,
    arguments: dict[str, str],
    bind: tuple[str, ...],
) -> None:
    """Change an image as an instruction says. Raises ValueError for one that is not known.

    arguments: values of ARG that override the defaults; those met are added with their defaults.
    """
    name, text = instruction
    if name == "RUN":
        image.run(text, arguments, bind)
    elif name == "COPY":
        _copy(text, image, stages, context)
    elif name == "ENV":
        for pair in shlex.split(text):
            key, _, value = pair.partition("=")
            image.environment[key] = Template(value).substitute(image.environment)
    elif name == "ARG":
        key, _, value = text.partition("=")
        arguments.setdefault(key, value)
    elif name == "WORKDIR":
        image.folder = text
        (image.root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif name == "USER":
        image.user = int(text.partition(":")[0])
    elif name == "HEALTHCHECK":
        image.health_check = json.loads(text.partition("CMD ")[2])
    elif name == "ENTRYPOINT":
        image.entry_point = json.loads(text)
    elif name == "CMD":
        image.arguments = json.loads(text)
    elif name not in {"VOLUME", "EXPOSE"}:
        raise ValueError(f"{name}: not an instruction that can be carried out here")


def _copy(text: str, image: Image, stages: dict[str, Image], context: Path) -> None:
    words = text.split()
    if words[0].startswith("--from="):
        context = stages[words.pop(0).removeprefix("--from=")].root
    *patterns, to = words
    target = image.root / image.folder.lstrip("/") / to if to[0] != "/" else image.root / to[1:]
    for pattern in patterns:
        found = sorted(context.glob(pattern.lstrip("/")))
        if not found:
            raise ValueError(f"COPY {pattern}: there is no such file")
        for path in found:
            if path.is_dir():
                ignore = shutil.ignore_patterns(*_ignored_names(context))
                shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, ignore=ignore)
            else:
                folder = target if to.endswith("/") else target.parent
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / path.name if to.endswith("/") else target)


def _ignored_names(context: Path) -> list[str]:
    """Names of the folders that .dockerignore leaves out of those that it lets in."""
    file = context / ".dockerignore"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line.rpartition("/")[2] for line in lines if line[:1] not in "#!" and "/" in line]
