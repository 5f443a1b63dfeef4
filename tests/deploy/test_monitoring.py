"""Prometheus' configuration, the alerts and the dashboard: valid, and about what the running processes really tell."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import SecretStr
from redis import Redis

from shared.settings import ROOT
from shared.tenants.api_keys import KeyStore, Scope
from shared.tenants.webhook_secrets import signing_secrets
from stack.processes import Process, free_port
from stack.receiver import WebhookReceiver
from stack.services import Stack, bundle_folder, pick_ports
from tests.deploy.manifests import tool
from tests.figures import Figures
from tests.pictures import in_base64, jpeg
from tests.waiting import finished, wait_for

MONITORING = ROOT / "deploy/monitoring"
CONFIG = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
RULES = [rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
DASHBOARD = json.loads((MONITORING / "grafana/dashboards/catalog.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TENANT = "shop"
PROCESSES = {"worker": "worker", "beat": "housekeeper", "courier": "courier", "training-worker": "trainer"}
"""By their names in docker-compose.yml, their names in the stack of the tests."""

_UNSEEN = re.compile(
    "drift|estimated|labelled|reference|answered|audited|review_threshold|catalog_training|catalog_tracked|refus|ALERTS|"
    "catalog_item_errors|"
    'status=~"5'
)
"""Expressions that have data only after a training, with MLflow, after a day of items or audits, or in trouble."""


def expressions() -> Iterator[str]:
    """The dashboard's, as Grafana would send them."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "10m").replace("$lane", ".*")
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["expr"]


def promtool(*arguments: str) -> None:
    ran = subprocess.run([tool("promtool"), *arguments], cwd=MONITORING, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


# The files alone


def test_the_configuration_is_valid() -> None:
    promtool("check", "config", "--syntax-only", "prometheus.yml")


def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts.test.yml")


def test_every_alert_is_tested_says_what_to_do_and_is_documented() -> None:
    tests = (MONITORING / "alerts.test.yml").read_text()
    documented = (ROOT / "docs/observability.md").read_text()
    for name, alert in ALERTS.items():
        fires = f'ALERTS{{alertname="{name}", alertstate="firing", severity='
        assert fires in tests, f"{name} never fires in a test"
        assert f"`{name}`" in documented, name
        assert alert["labels"]["severity"] in ("critical", "warning"), name
        assert set(alert["annotations"]) == {"summary", "action"}, name


def test_every_expression_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "rules.yml"))


def test_the_dashboard_is_laid_out_without_gaps_and_overlaps() -> None:
    taken = set[tuple[int, int]]()
    for panel in DASHBOARD["panels"]:
        box = panel["gridPos"]
        cells = {(x, y) for x in range(box["x"], box["x"] + box["w"]) for y in range(box["y"], box["y"] + box["h"])}
        assert not cells & taken, panel["title"]
        assert box["x"] + box["w"] <= 24, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    assert {y for _, y in taken} == set(range(max(y for _, y in taken) + 1))
    for panel in PANELS:
        assert panel["description"], panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}, panel["title"]


def test_grafana_finds_its_data_source_and_the_dashboard() -> None:
    provisioning = MONITORING / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    variable = next(one for one in DASHBOARD["templating"]["list"] if one["name"] == "datasource")
    assert (source["uid"], source["type"]) == (variable["current"]["value"], variable["query"])
    (provider,) = yaml.safe_load((provisioning / "dashboards/catalog.yml").read_text())["providers"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounts = [mount.split(":")[:2] for mount in compose["grafana"]["volumes"] if isinstance(mount, str)]
    assert ["./deploy/monitoring/grafana/dashboards", provider["options"]["path"]] in mounts
    prometheus = httpx.URL(source["url"])
    assert prometheus.host in compose
    assert prometheus.port == 9090


def test_prometheus_looks_for_the_containers_that_there_are() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    sought = [name for job in CONFIG["scrape_configs"] for sd in job.get("dns_sd_configs", ()) for name in sd["names"]]
    assert set(sought) <= set(compose)
    assert set(sought) >= {"model-api", *PROCESSES}


# The running service


@dataclass(frozen=True)
class Watched:
    """A service that has done some work, and Prometheus beside it."""

    stack: Stack
    key: str
    prometheus: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": expression}, timeout=10)
        assert answer.is_success, f"{expression}: {answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def jobs(self) -> set[str]:
        """Jobs that Prometheus reaches."""
        return {found["metric"]["job"] for found in self.query("up == 1")}

    def figures(self) -> list[Figures]:
        """Metrics of every process."""
        headers = {"Authorization": f"Bearer {self.key}"}
        api = httpx.get(f"{self.stack.url}/metrics", headers=headers).raise_for_status()
        return [Figures(api.text), *(Figures.scraped(self.stack.process_url(name)) for name in PROCESSES.values())]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    settings = {
        "CATALOG_MODEL": str(bundle_folder()),
        "CATALOG_TRACK_PREDICTIONS": "false",
        "CATALOG_WEBHOOK_RETRIES_S": "[0.1]",
        "CATALOG_MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
    ports = pick_ports(mlflow=False, preferred=False)
    with Stack(ROOT, folder / "stack", ports, settings, trainer=True, observed=True) as stack:
        with Redis(port=ports.redis) as redis:
            _, key = KeyStore(redis).create(TENANT, [Scope.CLASSIFY, Scope.OBSERVE])
        port = free_port()
        process = Process("prometheus", _command(stack, folder, key, port), folder / "prometheus.log", {}, folder)
        try:
            process.wait_until(lambda: _ready(port), timeout_s=30)
            watched = Watched(stack, key, f"http://127.0.0.1:{port}")
            wait_for("all are looked at", lambda: watched.jobs() == {"model-api", "prometheus", *PROCESSES})
            _work(stack, key)
            yield watched
        finally:
            process.stop()


def test_prometheus_reaches_every_process_under_the_name_of_its_container(watched: Watched) -> None:
    assert watched.jobs() == {"model-api", "prometheus", *PROCESSES}
    assert watched.query("up == 0") == []


def test_every_metric_that_is_asked_for_is_told(watched: Watched) -> None:
    told = set[str]()
    for figures in watched.figures():
        told |= figures.names | {family.name for family in figures.families}
    asked = [*expressions(), *(rule["expr"] for rule in RULES)]
    names = {name for expression in asked for name in re.findall(r"\b(?:catalog|process)_[a-z0-9_]+", expression)}
    missing = {name for name in names if name not in told}
    # Families that have nothing to tell yet have no series whose suffix could be looked at.
    assert {name for name in missing if name.removesuffix("_total") not in told} == set()
    assert {name for expr in asked for name in re.findall(r"\bcatalog:[a-z0-9_:]+", expr)} == RECORDED


def test_every_panel_has_something_to_show(watched: Watched) -> None:
    """Panels that need a training, a day's items, or trouble are excepted."""
    usual = [expression for expression in expressions() if not _UNSEEN.search(expression)]
    assert len(usual) > len(PANELS) / 2
    wait_for("work that was done", lambda: watched.query("rate(catalog_items_total[10m]) > 0"))
    for expression in usual:
        wait_for(expression, lambda asked=expression: watched.query(asked), timeout_s=20)  # type: ignore[misc]


def test_a_service_that_is_well_raises_no_alert(watched: Watched) -> None:
    rules = httpx.get(f"{watched.prometheus}/api/v1/rules").json()["data"]["groups"]
    health = {rule["name"]: rule["health"] for group in rules for rule in group["rules"]}
    assert set(health) == {*ALERTS, *RECORDED}
    wait_for("all were evaluated", lambda: _all_well(watched))
    assert watched.query('ALERTS{alertstate="firing", severity="critical"}') == []


def _all_well(watched: Watched) -> bool:
    groups = httpx.get(f"{watched.prometheus}/api/v1/rules").json()["data"]["groups"]
    healths = [rule["health"] for group in groups for rule in group["rules"]]
    assert "err" not in healths
    return set(healths) == {"ok"}


def _command(stack: Stack, folder: Path, key: str, port: int) -> list[str]:
    """Prometheus with the repository's files; only where things are is another matter here, and how often it looks."""
    (folder / "key").write_text(key)
    config = json.loads(json.dumps(CONFIG))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / "alerts.yml")]
    for job in config["scrape_configs"]:
        if "authorization" in job:
            job["authorization"] = {"credentials_file": str(folder / "key")}
        places = {name: _place(stack, name) for sd in job.pop("dns_sd_configs", ()) for name in sd["names"]}
        job["static_configs"] = [
            {"targets": [place], "labels": {"__meta_dns_name": name}} for name, place in places.items() if place
        ] or [{"targets": [f"127.0.0.1:{port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]


def _place(stack: Stack, container: str) -> str | None:
    if container == "model-api":
        return f"127.0.0.1:{stack.ports.api}"
    return stack.process_url(PROCESSES[container]).removeprefix("http://") if container in PROCESSES else None


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready").is_success
    except httpx.HTTPError:
        return False


def _work(stack: Stack, key: str) -> None:
    """A job with texts, a picture, the same again, and webhooks of which one fails at first."""
    master = SecretStr((stack.state / "webhook-master").read_text())
    secret = signing_secrets([master], TENANT)[0].get_secret_value()
    items = [{"title": f"lampe à poser {number}"} for number in range(30)]
    bulk = [*items, {"id": "picture", "image": {"base64": in_base64(jpeg("teal", (70, 50)))}}]
    with (
        WebhookReceiver(secret, statuses=[500]) as receiver,
        httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as api,
    ):
        for body in (bulk, bulk, items[:3]):
            sent = api.post("/v1/jobs", json={"items": body, "webhook_url": receiver.url}).raise_for_status().json()
            finished(api, sent["url"])
        api.post("/predict", json={"description": "console de jeux"}).raise_for_status()
        for _ in range(3):
            receiver.received.get(timeout=30)
