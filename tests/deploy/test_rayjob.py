"""deploy/kubernetes/rayjob: what KubeRay is given, its pods, and the command that they run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from tests.support.deployed import (
    DOCKERFILE,
    KUBERNETES,
    ROOT,
    VERSIONS,
    final_stage,
    gibibytes,
)
from tileserver.cli.main import main

KNOWN = {
    "spec": {
        *("entrypoint", "entrypointNumCpus", "entrypointNumGpus", "submissionMode"),
        *("backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"),
        "rayClusterSpec",
    },
    "cluster": {"rayVersion", "headGroupSpec", "workerGroupSpecs"},
    "head": {"rayStartParams", "template"},
    "group": {
        *("groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"),
    },
}
"""Fields of ray.io/v1's RayJob that are used here, as KubeRay's reference defines them."""


@cache
def rendered() -> dict[str, dict[str, Any]]:
    """The objects by kind: read, never changed."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", str(KUBERNETES / "rayjob")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}


def groups() -> list[dict[str, Any]]:
    """The head's specification and those of the workers."""
    cluster = rendered()["RayJob"]["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def pods() -> list[dict[str, Any]]:
    return [group["template"]["spec"] for group in groups()]


def test_fields_are_those_that_kuberay_defines() -> None:
    job = rendered()["RayJob"]
    cluster = job["spec"]["rayClusterSpec"]
    assert job["apiVersion"] == "ray.io/v1"
    assert job["spec"].keys() <= KNOWN["spec"]
    assert cluster.keys() <= KNOWN["cluster"]
    assert cluster["headGroupSpec"].keys() <= KNOWN["head"]
    for group in cluster["workerGroupSpecs"]:
        assert group.keys() <= KNOWN["group"]
    for group in groups():  # options of `ray start`, as text
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.parametrize("version", VERSIONS)
def test_pods_and_policies_are_what_kubernetes_defines(version: str) -> None:
    kubernetes_validate.validate(rendered()["NetworkPolicy"], version, strict=True)
    for number, group in enumerate(groups()):
        metadata = {**group["template"]["metadata"], "name": f"pod-{number}"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        kubernetes_validate.validate(
            {**pod, "spec": group["template"]["spec"]}, version, strict=True
        )


def test_pods_have_no_rights_and_are_the_images_user(tmp_path: Path) -> None:
    image = final_stage(tmp_path)
    for pod in pods():
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"]
        assert pod["securityContext"]["runAsUser"] == image.user
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        mounts = {each["mountPath"] for each in container["volumeMounts"]}
        assert "/tmp" in mounts  # Ray's sessions
        assert container["image"].startswith("registry.example/overzoom:")
    # No pod of KubeRay's own, which the namespace would refuse.
    assert rendered()["RayJob"]["spec"]["submissionMode"] == "HTTPMode"


def test_the_command_is_one_and_its_workers_fit_in_the_pods() -> None:
    spec = rendered()["RayJob"]["spec"]
    program, name, *words = shlex.split(spec["entrypoint"])
    assert program == "overzoom"
    command = main.commands[name]
    given: Mapping[str, Any] = command.make_context(name, words).params
    assert isinstance(command, click.Command)
    assert given["ray"] == "auto"
    head, *workers = groups()
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert workers
    for group in workers:
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        cpus = int(group["rayStartParams"]["num-cpus"])
        assert cpus == int(limits["cpu"])
        assert cpus == given["cpus_per_worker"] + spec["entrypointNumCpus"]
        assert gibibytes(limits["memory"]) << 30 > 4 * int(
            group["rayStartParams"]["object-store-memory"]
        )
        mounts = {each["mountPath"] for each in container["volumeMounts"]}
        for path in (given["source"], given["out"]):
            assert str(path.parent) in mounts


def test_ray_is_the_pinned_one_and_the_image_can_have_it() -> None:
    pins = (ROOT / "deploy" / "constraints.txt").read_text()
    version = rendered()["RayJob"]["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"\nray=={version}\n" in pins
    note = (KUBERNETES / "rayjob" / "kustomization.yaml").read_text()
    (argument,) = re.findall(r"--build-arg (\w+)=", note)
    assert f"ARG {argument}=\n" in DOCKERFILE.read_text()


def test_only_the_cluster_and_the_operator_reach_the_pods() -> None:
    policy = rendered()["NetworkPolicy"]["spec"]
    labels = policy["podSelector"]["matchLabels"]
    assert groups()
    for group in groups():
        assert labels.items() <= group["template"]["metadata"]["labels"].items()
    within, operator = policy["ingress"]
    assert within["from"] == [{"podSelector": {"matchLabels": labels}}]
    (port,) = operator["ports"]
    (head,) = pods()[0]["containers"]
    assert port["port"] in {each["name"] for each in head["ports"]}
