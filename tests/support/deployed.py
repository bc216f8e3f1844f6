"""What lies in deploy/, as its tests read it."""

from __future__ import annotations

from pathlib import Path

from tests.support.dockerfile import Image, carry_out, parse

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
KUBERNETES = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.31", "1.37")
"""The oldest cluster that the files are meant for, and the newest that the validator knows."""


def final_stage(folder: Path) -> Image:
    """The configuration of the image, without its files."""
    instructions = parse(DOCKERFILE.read_text())
    begin = max(number for number, each in enumerate(instructions) if each.name == "FROM")
    image = Image(folder)
    for instruction in instructions[begin + 1 :]:
        if instruction.name not in {"COPY", "RUN"}:
            carry_out(instruction, image, {}, ROOT, {}, ())
    return image


def gibibytes(quantity: str) -> int:
    """A quantity of Kubernetes, such as 4Gi."""
    assert quantity.endswith("Gi")
    return int(quantity.removesuffix("Gi"))
