"""The chart, by Helm's own code, and what it renders by the schemas of Kubernetes. No cluster has seen it."""

import json
import os
import subprocess
import sys

import pytest
import yaml

import service
from service.cli.main import app
from service.settings import Settings
from tests.deploy.image import stages
from tests.support.stack import ROOT
from tests.support.tools import python_packages

CHART = ROOT / "deploy" / "helm" / "otp-fallback"
NEEDED = {
    "existingSecret": "otp",
    "masterKeys": {"existingSecret": "otp-keys"},
    "settings": {"OTP_PUBLIC_URL": "https://otp.example.com"},
}
ALL = {
    **NEEDED,
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "settings": {**NEEDED["settings"], "OTP_TRUSTED_PROXIES": "10.0.0.0/8"},
    "web": {"autoscaling": {"enabled": False}},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "annotations": {"a": "b"},
        "tlsSecretName": "otp-tls",
    },
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
        "metricsFrom": [{"namespaceSelector": {}}],
        "redis": {"to": [{"ipBlock": {"cidr": "10.1.0.0/24"}}], "ports": [6379, 16379]},
    },
    "serviceAccount": {"annotations": {"a": "b"}},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
}
LEAST = {**NEEDED, "podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}}
OF_THE_OPERATOR = "monitoring.coreos.com/v1"  # its schemas are not part of Kubernetes
VERSIONS = ("1.29", "1.37")  # the oldest and the newest that the checker knows of what the chart allows

# Helm's library and the schemas are large, and nobody else's: in a process of their own.
PROGRAM = """
import json, sys
import helm_python as helm, kubernetes_validate, yaml
chart, versions, *cases = json.load(sys.stdin)
told = []
for values in cases:
    one = {"lint": helm.lint(chart, values, strict=True), "files": {}, "faults": []}
    with helm.Chart.load(chart) as loaded:
        try:
            one["files"] = loaded.render(values, name="login", namespace="shop")
        except helm.HelmError as error:
            one["error"] = str(error)
    for text in one["files"].values():
        if text.lstrip().startswith("apiVersion") or "\\nkind:" in text:
            for thing in filter(None, yaml.safe_load_all(text)):
                for version in versions if not thing["apiVersion"].startswith("monitoring") else ():
                    try:
                        kubernetes_validate.validate(thing, version, strict=True)
                    except kubernetes_validate.ValidationError as error:
                        one["faults"].append(f"{thing['kind']} {version}: {error}")
    told.append(one)
json.dump(told, sys.stdout)
"""


def helm(*cases):
    packages = python_packages(ROOT / "tests/deploy/tools.lock")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([str(CHART), VERSIONS, *cases]),
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def rendered():
    """By name of the case: what lint says, and what is rendered."""
    wrong = {
        "no secret": {**NEEDED, "existingSecret": ""},
        "plain http": {**NEEDED, "settings": {"OTP_PUBLIC_URL": "http://otp.example.com"}},
        "a secret in settings": {
            **NEEDED,
            "settings": {**NEEDED["settings"], "OTP_MASTER_KEYS": "k1:AAAA"},
        },
        "a word misspelt": {**NEEDED, "webb": {}},
    }
    cases = {"needed": NEEDED, "all": ALL, "least": LEAST, **wrong}
    return dict(zip(cases, helm(*cases.values()), strict=True))


def things(case):
    """The rendered objects, by kind and name."""
    found = {}
    for path, text in case["files"].items():
        if path.endswith(".yaml"):
            for thing in filter(None, yaml.safe_load_all(text)):
                found[thing["kind"], thing["metadata"]["name"]] = thing
    return found


def pods(case):
    return {
        name: thing["spec"]["template"]["spec"]
        for (kind, name), thing in things(case).items()
        if kind == "Deployment"
    }


@pytest.mark.parametrize("case", ["needed", "all", "least"])
def test_lint_and_schemas_have_nothing_to_say(rendered, case):
    told = rendered[case]
    assert told["lint"]["errors"] == []
    assert [m["error"] for m in told["lint"]["messages"] if m["severity"] > 1] == []
    assert told["faults"] == []
    assert len(things(told)) >= 5


@pytest.mark.parametrize("case", ["no secret", "plain http", "a secret in settings", "a word misspelt"])
def test_wrong_values_are_refused(rendered, case):
    assert rendered[case]["lint"]["errors"]
    assert rendered[case]["files"] == {}


def test_what_is_optional_is_there_when_asked_for(rendered):
    kinds = {case: {kind for kind, _ in things(rendered[case])} for case in ("needed", "all", "least")}
    assert kinds["least"] == {"Deployment", "Service", "ServiceAccount", "HorizontalPodAutoscaler"}
    assert kinds["needed"] - kinds["least"] == {"PodDisruptionBudget", "NetworkPolicy"}
    assert kinds["all"] - kinds["needed"] == {"Ingress", "PodMonitor", "PrometheusRule"}
    assert "HorizontalPodAutoscaler" not in kinds["all"]


def test_selectors_find_their_pods(rendered):
    found = things(rendered["all"])
    deployments = {n: t for (kind, n), t in found.items() if kind == "Deployment"}
    labels = {n: t["spec"]["template"]["metadata"]["labels"] for n, t in deployments.items()}

    def chosen(selector):
        return {n for n, own in labels.items() if selector.items() <= own.items()}

    for name, thing in deployments.items():
        assert chosen(thing["spec"]["selector"]["matchLabels"]) == {name}
    assert chosen(found["Service", "login-otp-fallback"]["spec"]["selector"]) == {"login-otp-fallback-web"}
    assert chosen(found["NetworkPolicy", "login-otp-fallback"]["spec"]["podSelector"]["matchLabels"]) == set(
        labels
    )
    assert chosen(found["PodMonitor", "login-otp-fallback"]["spec"]["selector"]["matchLabels"]) == set(labels)
    for name in deployments:
        assert chosen(found["PodDisruptionBudget", name]["spec"]["selector"]["matchLabels"]) == {name}
    scaled = things(rendered["needed"])["HorizontalPodAutoscaler", "login-otp-fallback-web"]["spec"]
    assert scaled["scaleTargetRef"]["name"] in deployments


def test_a_pod_runs_what_the_image_has(rendered):
    *_, image = stages((ROOT / "Dockerfile").read_text())
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    known = {field.validation_alias for field in Settings.model_fields.values() if not field.exclude}
    for name, pod in pods(rendered["all"]).items():
        [container] = pod["containers"]
        assert container["args"] == [name.rpartition("-")[2]]
        assert container["args"][0] in commands
        assert {entry["name"] for entry in container["env"]} <= known
        env = {entry["name"]: entry["value"] for entry in container["env"]}
        [port] = container["ports"]
        assert str(port["containerPort"]) == env["OTP_PORT" if name.endswith("web") else "OTP_WORKER_PORT"]
        assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == image.words(
            "USER"
        )
        assert container["image"].endswith("@sha256:" + "0" * 64)
        [keys] = [v for v in pod["volumes"] if v["name"] == "keys"]
        assert keys["secret"]["defaultMode"] == 0o440  # a mode that the service takes of root's files
    assert {pod["containers"][0]["image"] for pod in pods(rendered["needed"]).values()} == {
        f"otp-fallback:{service.__version__}"
    }


def test_a_pod_can_do_little(rendered):
    for pod in pods(rendered["needed"]).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"startupProbe", "livenessProbe", "readinessProbe", "resources"} <= set(container)
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", "Redis away restarts nobody"


def test_no_secret_is_in_what_is_rendered(rendered):
    assert not any(kind == "Secret" for kind, _ in things(rendered["all"]))
    for pod in pods(rendered["all"]).values():
        assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "otp"}}]


def test_a_rollout_takes_nobody_away_before_another_is_there(rendered):
    web = things(rendered["needed"])["Deployment", "login-otp-fallback-web"]["spec"]
    assert web["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = web["template"]["spec"]
    drain = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= drain + 15


def test_the_alerts_are_those_of_deploy(rendered):
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())
    assert things(rendered["all"])["PrometheusRule", "login-otp-fallback"]["spec"] == alerts


def test_the_version_is_the_service_s():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == service.__version__
