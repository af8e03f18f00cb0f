"""Alerts and dashboard: of metrics that there are, fired by what they are for, and with a way on."""

import json
import re
import subprocess

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from service.telemetry import metrics
from service.telemetry.exposition import exposition
from tests.support.stack import ROOT
from tests.support.tools import independent

PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())
BOARD = json.loads((ROOT / "deploy/grafana/dashboards/otp-fallback.json").read_text())
OF_PROMETHEUS = {"instance", "job"}
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]


def known():
    """Every series that the service exposes, with its labels; and what Prometheus adds."""
    found = {"up": set()}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            name, labels = next(iter(metric.describe())).name, set(metric._labelnames)
            match metric:
                case Counter():
                    found[f"{name}_total"] = labels
                case Gauge():
                    found[name] = labels
                case Histogram():
                    found |= {
                        f"{name}_sum": labels,
                        f"{name}_count": labels,
                        f"{name}_bucket": labels | {"le"},
                    }
    return found


KNOWN = known()


def strange(query):
    """What a query asks for that the service does not have."""
    query = re.sub(r"\$__rate_interval|\[[0-9a-z]+\]", "", query)
    names = re.findall(r"\b(otp_\w+|up)\b(?:\{([^}]*)\})?", query)
    assert names, f"no metric in {query}"
    odd = [name for name, _ in names if name not in KNOWN]
    labels = {label for name, _ in names for label in KNOWN.get(name, ())} | OF_PROMETHEUS
    for name, selected in names:
        own = KNOWN.get(name, set()) | OF_PROMETHEUS
        odd += [label for label in re.findall(r"(\w+)\s*(?:=|!)", selected) if label not in own]
    for grouped in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", query):
        odd += [label for label in re.findall(r"\w+", grouped) if label not in labels]
    return odd


def queries():
    found = [(f"panel {panel['title']}", target) for panel in BOARD["panels"] for target in panel["targets"]]
    return [*found, *(("annotation", {**one, "legendFormat": ""}) for one in BOARD["annotations"]["list"])]


def test_there_are_such_metrics_at_all():
    """What is known here is what is exposed."""
    exposed = set(re.findall(r"^# TYPE (otp_\w+) ", exposition().decode(), re.MULTILINE))
    assert {name for name in KNOWN if not name.endswith(("_sum", "_count", "_bucket"))} - {"up"} <= exposed


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_is_of_known_metrics_and_leads_on(rule):
    assert strange(rule["expr"]) == []
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert (ROOT / rule["annotations"]["runbook"]).is_file()
    told = "".join(rule["annotations"].values())
    kept = {label for by in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in re.findall(r"\w+", by)}
    assert set(re.findall(r"\$labels\.(\w+)", told)) <= kept | OF_PROMETHEUS


@pytest.mark.parametrize(("where", "target"), queries())
def test_the_dashboard_asks_for_known_metrics(where, target):
    assert strange(target["expr"]) == [], where
    grouped = {
        label for by in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in re.findall(r"\w+", by)
    }
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= grouped


@pytest.mark.parametrize(
    ("query", "odd"),
    [
        ("rate(otp_chalenges_total[5m])", ["otp_chalenges_total"]),
        ('otp_challenges_total{state="failed"}', ["state"]),
        ("sum by (user) (otp_challenges_total)", ["user"]),
        ("sum by (le) (otp_start_seconds_bucket)", []),
    ],
)
def test_what_there_is_not_would_be_found(query, odd):
    assert strange(query) == odd


def test_prometheus_takes_the_rules_and_each_alert_fires_when_it_should():
    promtool = independent("promtool")
    tested = (PROMETHEUS / "rules.test.yaml").read_text()
    for command in (("check", "rules", "rules.yaml"), ("test", "rules", "rules.test.yaml")):
        done = subprocess.run(
            [promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    fired = {name for rule in ALERTS if (name := rule["alert"]) in tested.replace('!="OtpNobodyScraped"', "")}
    assert fired == {rule["alert"] for rule in ALERTS}


def test_prometheus_understands_the_dashboard(tmp_path):
    rules = [
        {"record": f"panel:{number}", "expr": target["expr"].replace("$__rate_interval", "5m")}
        for number, (_, target) in enumerate(queries())
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    done = subprocess.run(
        [independent("promtool"), "check", "rules", tmp_path / "rules.yaml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_lie_side_by_side():
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
