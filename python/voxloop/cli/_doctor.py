"""``voxloop doctor``: what works on the way to the realtime API, and what does not."""

from __future__ import annotations

import importlib.util
import json
import platform
from dataclasses import asdict

from voxloop import realtime
from voxloop._version import __version__

_TITLES = {
    "key": "API key",
    "dns": "name",
    "tcp": "TCP",
    "tls": "TLS",
    "upgrade": "upgrade",
    "session": "session",
    "text_turn": "text turn",
}
_EXTRAS = {"local": "onnxruntime", "testing": "websockets", "numpy": "numpy"}


async def run_doctor(*, as_json: bool, url: str | None, model: str | None) -> int:
    """Diagnose and print; the exit code."""
    report = await realtime.diagnose(model_config=realtime.ModelConfig(url=url, model=model))
    print(_json(report) if as_json else _text(report))
    return 0 if report.ok else 1


def _json(report: realtime.Diagnosis) -> str:
    return json.dumps(
        {
            "ok": report.ok,
            "voxloop": __version__,
            "python": platform.python_version(),
            "extras": _extras(),
            "address": report.address,
            "session_id": report.session_id,
            "model": report.model,
            "steps": [asdict(step) for step in report.steps],
            "events": list(report.events),
        },
        ensure_ascii=False,
    )


def _text(report: realtime.Diagnosis) -> str:
    extras = ", ".join(name for name, there in _extras().items() if there) or "none"
    lines = [
        f"voxloop {__version__}, Python {platform.python_version()}, extras: {extras}",
        f"realtime API at {report.address or 'no address'}",
    ]
    for step in report.steps:
        took = "" if step.seconds is None else f"{step.seconds * 1000:8.0f} ms"
        lines.append(
            f"  {_TITLES[step.name]:<10} {step.status:<8}{took:<12} {step.detail}".rstrip()
        )
    failure = report.failure
    if failure is None:
        lines.append("everything works")
    elif failure.advice:
        lines.append(failure.advice)
    return "\n".join(lines)


def _extras() -> dict[str, bool]:
    return {name: importlib.util.find_spec(module) is not None for name, module in _EXTRAS.items()}
