"""The proxies in front of the API: they have its bounds, and the API believes what they say of the client."""

import re
from pathlib import Path
from typing import Any

import yaml
from uvicorn.main import main as uvicorn_command

from api.http.server.head import MAX_HEAD
from api.http.server.protocol import HEAD_S
from shared.settings import ROOT, Settings
from stack.roles import KEEP_ALIVE_S, Role, command

CADDYFILE = (ROOT / "deploy/proxy/Caddyfile").read_text()
INGRESS = ROOT / "deploy/kubernetes/components/ingress"
MAX_BODY = Settings.model_fields["max_body_bytes"].default


def test_caddy_bounds_heads_and_bodies_as_the_api_does() -> None:
    assert _caddy(r"max_header_size (\d+)kb") * 1024 == MAX_HEAD
    assert _caddy(r"read_header (\d+)s") == HEAD_S
    assert _caddy(r"max_size (\d+)GiB") * 1024**3 == MAX_BODY
    assert "read_body" not in CADDYFILE, "it is a bound of the whole body, and an upload may take hours"


def test_each_server_keeps_connections_longer_than_what_is_in_front_of_it() -> None:
    line = uvicorn_command.make_context("uvicorn", command(Role.API)[3:]).params  # as uvicorn itself reads it
    load_balancers = 60
    assert load_balancers < _caddy(r"idle (\d+)s")
    assert _caddy(r"keepalive (\d+)s") < line["timeout_keep_alive"] == KEEP_ALIVE_S
    assert load_balancers < KEEP_ALIVE_S
    assert f"kept for {KEEP_ALIVE_S} s" in (ROOT / "docs/running.md").read_text()


def test_caddy_sends_nobody_from_http_to_the_api_and_browsers_to_https_alone() -> None:
    plain = re.search(r"^http://\{\$API_HOSTNAME\} \{(.*?)^\}", CADDYFILE, re.MULTILINE | re.DOTALL)
    assert plain is not None
    assert "403" in plain[1]
    assert "reverse_proxy" not in plain[1]
    assert _caddy(r'Strict-Transport-Security "max-age=(\d+); includeSubDomains"') >= 365 * 24 * 3600
    assert CADDYFILE.count("import https-alone") == CADDYFILE.count("reverse_proxy ")


def test_the_ingress_bounds_connections_and_bodies() -> None:
    prefix = "nginx.ingress.kubernetes.io/"
    annotations = _yaml(INGRESS / "ingress.yaml")["metadata"]["annotations"]
    assert 0 < int(annotations[f"{prefix}limit-connections"]) <= 256
    assert int(annotations[f"{prefix}proxy-body-size"].removesuffix("g")) * 1024**3 == MAX_BODY
    page = (ROOT / "docs/kubernetes.md").read_text()
    assert f'"client-header-timeout": "{HEAD_S}"' in page
    assert '"client-body-timeout": "20"' in page


def test_the_proxies_addresses_are_networks_that_are_not_public() -> None:
    (generated,) = _yaml(INGRESS / "kustomization.yaml")["configMapGenerator"]
    (addresses,) = (line.partition("=")[2] for line in generated["literals"] if line.startswith("CATALOG_PROXY"))
    (example,) = re.findall(r"CATALOG_PROXY_ADDRESSES=(\S+)", (ROOT / "deploy/compose/env.example").read_text())
    for text in (addresses, example):
        networks = Settings(proxy_addresses=text).proxy_addresses
        assert networks
        assert all(network.is_private for network in networks)


def _caddy(pattern: str) -> int:
    (number,) = re.findall(pattern, CADDYFILE)
    return int(number)


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
