"""The image and the compose file, read as a careful reviewer would. Nothing here builds or starts a container."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE, COMPOSE = ROOT / "deployments" / "Dockerfile", ROOT / "deployments" / "compose.yaml"
SECRET = re.compile(r"PASSW|SECRET|TOKEN|(^|_)KEY$|CREDENTIAL", re.IGNORECASE)


def steps(text: str) -> list[tuple[str, str]]:
    """(instruction, rest) with continued lines joined and comments gone."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = plain.replace("\\\n", " ").splitlines()
    return [(line.split(" ")[0].upper(), line.partition(" ")[2].strip()) for line in lines if line.strip()]


def image_faults(text: str, root: Path) -> list[str]:
    """What a reviewer of an image objects to."""
    found, said = [], steps(text)
    stages = {rest.split(" AS ")[1].strip() for word, rest in said if word == "FROM" and " AS " in rest}
    for word, rest in said:
        if word == "FROM" and not re.search(r":\d+\.\d+", rest):
            found.append(f"FROM {rest}: the base is not pinned")
        if word == "ADD":
            found.append("ADD: use COPY")
        if word == "COPY" and "--from=" not in rest:
            found += [
                f"COPY {one}: not in the repository" for one in rest.split()[:-1] if not (root / one).exists()
            ]
        if word == "COPY" and (source := re.search(r"--from=(\S+)", rest)) and source.group(1) not in stages:
            found.append(f"COPY --from={source.group(1)}: no such stage")
        if word in ("ENV", "ARG"):
            names = re.findall(r"([A-Za-z_]+)=", rest) or [rest.split("=")[0]]
            found += [f"{word} {name}: a secret in an image" for name in names if SECRET.search(name)]
        if word == "RUN" and "apt-get install" in rest:
            found += _apt_faults(rest)
        if word == "RUN" and "pip install" in rest and "-c constraints.txt" not in rest:
            found.append("RUN pip install without constraints.txt")
        if word == "RUN" and re.search(r"\bsudo\b|curl[^|]*\|\s*(ba)?sh", rest):
            found.append("RUN: sudo, or a script from the network")
        if word in ("CMD", "ENTRYPOINT") and not rest.startswith("["):
            found.append(f"{word}: the shell form hides signals")
    users = [rest for word, rest in said if word == "USER"]
    if not users or users[-1].split(":")[0] in ("root", "0"):
        found.append("USER: it runs as root")
    if not any(word == "HEALTHCHECK" for word, _ in said):
        found.append("HEALTHCHECK is missing")
    return found


def _apt_faults(rest: str) -> list[str]:
    found = [] if "--no-install-recommends" in rest else ["apt-get install without --no-install-recommends"]
    found += [] if "rm -rf /var/lib/apt/lists" in rest else ["apt lists are left in the layer"]
    wanted = rest.split("apt-get install")[1].split("&&")[0].split()
    return found + [
        f"apt {name}: not pinned" for name in wanted if not name.startswith("-") and "=" not in name
    ]


def compose_faults(plain: dict[str, Any]) -> list[str]:
    """What a reviewer of a compose file objects to."""
    found, services = [], plain["services"]
    for name, service in services.items():
        if not re.search(r":\d+\.\d+", service.get("image", "")):
            found.append(f"{name}: image is not pinned")
        if str(service.get("user", "0")).split(":")[0] in ("0", "root"):
            found.append(f"{name}: runs as root")
        if service.get("privileged") or service.get("cap_drop") != ["ALL"]:
            found.append(f"{name}: keeps capabilities")
        if "no-new-privileges:true" not in service.get("security_opt", []):
            found.append(f"{name}: may gain privileges")
        if not service.get("healthcheck"):
            found.append(f"{name}: no health check")
        if not service.get("restart"):
            found.append(f"{name}: no restart policy")
        open_ports = [port for port in service.get("ports", []) if not str(port).startswith("127.0.0.1:")]
        found += [f"{name}: port {port} is open to the world" for port in open_ports]
        for key, value in (service.get("environment") or {}).items():
            if SECRET.search(key) and not key.endswith("_FILE") and value:
                found.append(f"{name}: {key} is a secret in the file")
        for part, there in (("secrets", plain.get("secrets", {})), ("networks", plain.get("networks", {}))):
            found += [
                f"{name}: {part} {one} is not declared" for one in service.get(part, []) if one not in there
            ]
        wanted = service.get("depends_on", {})
        found += [f"{name}: depends on {one}, which is not there" for one in wanted if one not in services]
    return found


@pytest.fixture
def composed() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="no PyYAML: the compose file was not read")
    return yaml.safe_load(COMPOSE.read_text())


def test_the_image_has_nothing_to_object_to():
    """Pinned, not root, health-checked, without secrets, made from files that are here."""
    assert image_faults(DOCKERFILE.read_text(), ROOT) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FROM python:3.11.13-slim-bookworm AS build", "FROM python:latest AS build", "not pinned"),
        ("USER 10001:10001", "USER root", "root"),
        ("COPY decot ./decot", "COPY deecot ./decot", "not in the repository"),
        ("--from=build", "--from=built", "no such stage"),
        ('ARG TORCH_INDEX=""', "ARG EXCHANGE_TOKEN=x", "secret"),
        (
            "WORKDIR /src",
            "RUN apt-get install -y --no-install-recommends gcc && rm -rf /var/lib/apt/lists/*",
            "not pinned",
        ),
        (
            "WORKDIR /src",
            "RUN apt-get install -y gcc=4:12.2.0-3 && rm -rf /var/lib/apt/lists/*",
            "no-install-recommends",
        ),
        ("WORKDIR /src", "RUN apt-get install -y --no-install-recommends gcc=4:12.2.0-3", "apt lists"),
        ('ENTRYPOINT ["decot"]', "ENTRYPOINT decot", "shell form"),
        ("HEALTHCHECK", "LABEL", "HEALTHCHECK"),
        ('scale]" -c constraints.txt', 'scale]"', "constraints"),
    ],
)
def test_a_careless_image_is_objected_to(old, new, said):
    """Each rule, broken once, is named."""
    text = DOCKERFILE.read_text()
    assert old in text
    assert any(said in fault for fault in image_faults(text.replace(old, new), ROOT))


def test_the_compose_file_has_nothing_to_object_to(composed):
    """Pinned, not root, no capabilities, health checks, loopback ports, secrets as files; the parts are there."""
    assert compose_faults(composed) == []
    assert {"database", "server", "worker", "live", "dashboard", "reports"} <= set(composed["services"])


@pytest.mark.parametrize(
    ("service", "change", "said"),
    [
        ("worker", {"image": "decot"}, "not pinned"),
        ("worker", {"user": "root"}, "root"),
        ("worker", {"cap_drop": []}, "capabilities"),
        ("worker", {"healthcheck": None}, "health check"),
        ("server", {"ports": ["4200:4200"]}, "open to the world"),
        ("database", {"environment": {"POSTGRES_PASSWORD": "prefect"}}, "secret in the file"),
        ("live", {"secrets": ["forgotten"]}, "not declared"),
        ("worker", {"depends_on": {"serverr": {}}}, "not there"),
    ],
)
def test_a_careless_service_is_objected_to(composed, service, change, said):
    """Each rule, broken once, is named."""
    composed["services"][service] |= change
    assert any(said in fault for fault in compose_faults(composed))


def test_what_the_containers_run_are_commands_that_exist(composed):
    """Every `decot` command of the compose file is one of the program's, with options it knows."""
    import typer

    from decot.cli.main import app

    commands = typer.main.get_command(app).commands
    for name in ("timetable", "dashboard", "reports"):
        word, *options = composed["services"][name]["command"]
        known = {flag for option in commands[word].params for flag in option.opts}
        assert {one for one in options if one.startswith("--")} <= known
    live = composed["services"]["live"]["command"][0]
    known = {flag for option in commands["trade"].params for flag in option.opts}
    assert set(re.findall(r"--[a-z-]+", live)) <= known
