"""deploy/kubernetes: rendered, validated, and in agreement with itself and the server."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from tests.support.deployed import KUBERNETES, VERSIONS, final_stage, gibibytes
from tileserver.metrics import Metrics
from tileserver.process.server import CLOSING_SECONDS
from tileserver.settings.reading import read_settings
from tileserver.settings.server import Settings

OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())

Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> Objects:
    """The objects of every overlay in turn."""
    return rendered(request.param)


@cache
def rendered(overlay: str) -> Objects:
    """The objects of an overlay: read, never changed."""
    kubectl = Path(sys.executable).with_name("kubectl")
    command = [str(kubectl), "kustomize", str(KUBERNETES / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {
        (each["kind"], each["metadata"]["name"].removesuffix(suffix(each))): each
        for each in yaml.safe_load_all(done.stdout)
    }


def suffix(thing: dict[str, Any]) -> str:
    """What kustomize appends to the names of the objects that it generates: a digest."""
    name: str = thing["metadata"]["name"]
    return "-" + name.rpartition("-")[2] if thing["kind"] == "ConfigMap" else ""


def pod_of(objects: Objects, name: str) -> dict[str, Any]:
    pod: dict[str, Any] = objects["Deployment", name]["spec"]["template"]["spec"]
    return pod


def settings_of(objects: Objects, folder: Path) -> Settings:
    """The settings of a server of an overlay, of the file and the variables that it mounts."""
    pod = pod_of(objects, "overzoom")
    (container,) = pod["containers"]
    secret = folder / "redis_url"
    secret.write_text("redis://:password@redis:6379/0\n")
    variables = {}
    for each in container["env"]:
        field = each.get("valueFrom", {}).get("resourceFieldRef")
        value = container["resources"]["limits"]["cpu"] if field else each["value"]
        variables[each["name"]] = str(secret) if each["name"].endswith("_FILE") else value
    config = KUBERNETES.parent / "demo" / "overzoom.yaml"
    if ("ConfigMap", "overzoom") in objects:
        config = folder / "overzoom.yaml"
        config.write_text(objects["ConfigMap", "overzoom"]["data"]["overzoom.yaml"])
    return read_settings(
        config, {}, {k: v for k, v in variables.items() if k.startswith("OVERZOOM_")}
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_kubernetes_defines(version: str) -> None:
    different: Objects = {}
    for overlay in OVERLAYS:
        for (kind, _), each in rendered(overlay).items():
            if kind != "ServiceMonitor":  # defined by its operator
                different[kind, yaml.safe_dump(each)] = each
    assert len({kind for kind, _ in different}) > 7
    for each in different.values():
        kubernetes_validate.validate(each, version, strict=True)


def test_the_validator_finds_a_wrong_field() -> None:
    deployment = rendered("demo")["Deployment", "overzoom"]
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_no_pod_has_rights_or_a_writable_root(objects: Objects) -> None:
    for name in ("overzoom", "redis"):
        pod = pod_of(objects, name)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_pod_is_the_images_user_and_may_write_where_the_image_does(
    objects: Objects, tmp_path: Path
) -> None:
    image, pod = final_stage(tmp_path), pod_of(objects, "overzoom")
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == image.user
    mounts = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
    empty = {each["name"]: each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each}
    assert f"{image.environment['XDG_CACHE_HOME']}/overzoom" in mounts
    home = mounts.get(image.environment["HOME"])
    assert home is None or home in empty


def test_threads_are_cpus_and_memory_and_disk_hold_the_caches(
    objects: Objects, tmp_path: Path
) -> None:
    settings, pod = settings_of(objects, tmp_path), pod_of(objects, "overzoom")
    (container,) = pod["containers"]
    limits = container["resources"]["limits"]
    sources = {each["name"]: each.get("valueFrom") for each in container["env"]}
    for name in ("OVERZOOM_THREADS", "OMP_NUM_THREADS"):
        field = sources[name]["resourceFieldRef"]
        assert (field["resource"], field["divisor"]) == ("limits.cpu", "1")
    assert settings.threads == int(limits["cpu"])
    assert gibibytes(limits["memory"]) << 30 > 2 * (
        settings.cache.memory_bytes + settings.block_memory_bytes
    )
    (tiles,) = [each["emptyDir"] for each in pod["volumes"] if each["name"] == "tiles"]
    assert gibibytes(tiles["sizeLimit"]) << 30 > settings.cache.disk_bytes
    assert gibibytes(limits["ephemeral-storage"]) > gibibytes(tiles["sizeLimit"])


def test_the_grace_period_outlasts_the_shutdown_and_balancers_learn_of_it_before(
    objects: Objects, tmp_path: Path
) -> None:
    operation = settings_of(objects, tmp_path).operation
    pod = pod_of(objects, "overzoom")
    ends = operation.drain_seconds + operation.shutdown_seconds + CLOSING_SECONDS
    assert pod["terminationGracePeriodSeconds"] > ends
    probe = pod["containers"][0]["readinessProbe"]
    assert operation.drain_seconds > probe["periodSeconds"] * probe["failureThreshold"]


def test_probes_ask_for_what_they_decide(objects: Objects) -> None:
    (container,) = pod_of(objects, "overzoom")["containers"]
    asked = {
        name: container[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "readiness", "liveness")
    }
    # What readiness waits for, a denoiser that hangs or drains, must not restart the pod.
    assert asked == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    assert {each["httpGet"]["port"] for each in container.values() if probes(each)} == {"http"}


def probes(value: object) -> bool:
    return isinstance(value, dict) and "httpGet" in value


def test_selectors_ports_and_backends_lead_to_the_pods(objects: Objects) -> None:
    deployment, service = objects["Deployment", "overzoom"], objects["Service", "overzoom"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selector = {"app.kubernetes.io/name": "overzoom"}
    assert selector.items() <= labels.items()
    for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = objects[kind, "overzoom"]["spec"]
        found = spec.get("podSelector", spec.get("selector"))
        assert found.get("matchLabels", found) == selector, kind
    (port,) = service["spec"]["ports"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert port["targetPort"] in {each["name"] for each in container["ports"]}
    (rule,) = objects["Ingress", "overzoom"]["spec"]["rules"]
    backends = {each["path"]: each["backend"]["service"] for each in rule["http"]["paths"]}
    assert backends["/"] == {"name": "overzoom", "port": {"name": port["name"]}}
    assert backends["/metrics"]["name"] == "closed"
    assert "selector" not in objects["Service", "closed"]["spec"]
    target = objects["HorizontalPodAutoscaler", "overzoom"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "overzoom")
    assert {
        each["metadata"]["namespace"] for (kind, _), each in objects.items() if kind != "Namespace"
    } == {"overzoom"}


def test_only_servers_and_prerendering_reach_redis_and_they_are_let_out_to_it(
    objects: Objects, tmp_path: Path
) -> None:
    (rule,) = objects["NetworkPolicy", "redis"]["spec"]["ingress"]
    (peer,) = rule["from"]
    (label,) = peer["podSelector"]["matchExpressions"]
    assert label == {
        "key": "app.kubernetes.io/name",
        "operator": "In",
        "values": ["overzoom", "overzoom-ray"],  # servers, and what prerenders
    }
    url = settings_of(objects, tmp_path).cache.redis_url
    assert url is not None
    (port,) = objects["Service", "redis"]["spec"]["ports"]
    address = urlsplit(url.get_secret_value())
    assert (address.hostname, address.port) == ("redis", port["port"])
    out = objects["NetworkPolicy", "overzoom"]["spec"]["egress"]
    peers = [
        each["podSelector"]["matchLabels"]
        for rule in out
        for each in rule["to"]
        if "podSelector" in each
    ]
    assert peers == [{"app.kubernetes.io/name": "redis"}]


def test_prometheus_finds_the_service_and_may_read_it(tmp_path: Path) -> None:
    objects = rendered("production")
    spec = objects["ServiceMonitor", "overzoom"]["spec"]
    labels = objects["Service", "overzoom"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = spec["endpoints"]
    assert endpoint["port"] == objects["Service", "overzoom"]["spec"]["ports"][0]["name"]
    assert settings_of(objects, tmp_path).access.figures_public


def test_the_queue_is_a_metric_that_servers_have() -> None:
    metrics = rendered("production")["HorizontalPodAutoscaler", "overzoom"]["spec"]["metrics"]
    (name,) = [each["pods"]["metric"]["name"] for each in metrics if each["type"] == "Pods"]
    assert f"# TYPE {name} gauge" in Metrics().text().decode()


def test_a_gpu_overlay_has_a_gpu_and_an_image_of_its_own(tmp_path: Path) -> None:
    objects = rendered("gpu")
    (container,) = pod_of(objects, "overzoom")["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert (
        container["image"] != pod_of(rendered("production"), "overzoom")["containers"][0]["image"]
    )
    assert settings_of(objects, tmp_path).device == "cuda"
