"""Public names: sorted, complete, exported once, and cheap to import."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

import voxloop

MODULES = ["audio", "net", "providers", "realtime", "telemetry", "testing", "tools", "voice"]


def test_every_public_name_of_the_package_resolves() -> None:
    assert voxloop.__all__ == sorted(voxloop.__all__)
    for name in voxloop.__all__:
        assert getattr(voxloop, name) is not None


@pytest.mark.parametrize("name", [*MODULES, "agents", "local"])
def test_all_is_sorted_and_complete(name: str) -> None:
    module = importlib.import_module(f"voxloop.{name}")
    assert len(set(module.__all__)) == len(module.__all__)
    assert module.__all__ == sorted(
        module.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n)
    ) or (module.__all__ == sorted(module.__all__))
    assert set(module.__all__) <= set(dir(module))
    for public in module.__all__:
        assert hasattr(module, public), public


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = voxloop.no_such_name


def modules_after(statement: str) -> set[str]:
    program = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "statement",
    [
        "import voxloop",
        "from voxloop import Agent, tool, audio, realtime, voice, telemetry, net, providers",
    ],
)
def test_import_brings_nothing_heavy(statement: str) -> None:
    heavy = {"numpy", "onnxruntime", "click", "starlette", "hypercorn", "websockets", "openai"}
    assert modules_after(statement) & heavy == set()


def test_a_realtime_session_brings_no_more_than_it_needs() -> None:
    """Each of these is a megabyte, or a part of one, in every process that holds sessions."""
    program = """
from voxloop import Agent, OpenAI, audio, net, realtime, tool
OpenAI(api_key="k")"""
    spared = {
        "asyncio",
        "email",
        "importlib.metadata",
        "sqlite3",
        "tomllib",
        "voxloop.agents.loop",
        "voxloop.agents.sqlite",
        "voxloop.net._http",
        "voxloop.providers.openai.llm",
        "voxloop.providers.openai.stt",
        "voxloop.providers.openai.tts",
        "voxloop.realtime.diagnosis",
        "voxloop.realtime.recording",
        "voxloop.voice",
        "voxloop.wire.audio",
    }
    assert modules_after(program) & spared == set()
