"""The telemetry bus: patterns, faults of handlers, and nothing when nobody listens."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import pytest

from voxloop import telemetry
from voxloop._errors import ConfigError

Seen = list[tuple[str, dict[str, float], dict[str, object]]]


@pytest.fixture
def seen() -> Iterator[Seen]:
    events: Seen = []

    def note(name: str, measurements: Mapping[str, float], metadata: Mapping[str, object]) -> None:
        events.append((name, dict(measurements), dict(metadata)))

    telemetry.attach("test", ["realtime.*", "voice.stt.start"], note)
    yield events
    telemetry.detach("test")


def test_only_what_matches_arrives(seen: Seen) -> None:
    telemetry.emit("realtime.session.start", {"n": 1}, {"model": "m"})
    telemetry.emit("voice.stt.start", {}, {})
    telemetry.emit("voice.stt.complete", {}, {})
    assert seen == [
        ("realtime.session.start", {"n": 1}, {"model": "m"}),
        ("voice.stt.start", {}, {}),
    ]


def test_it_is_known_beforehand_whether_anyone_listens(seen: Seen) -> None:
    assert telemetry.enabled("realtime.audio.sent")
    assert not telemetry.enabled("voice.tts.start")
    assert telemetry.detach("test")
    assert not telemetry.enabled("realtime.audio.sent")
    assert not telemetry.detach("test")
    telemetry.emit("realtime.audio.sent", {}, {})
    assert seen == []


def test_a_handler_that_fails_is_logged_and_harms_no_one(
    seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("of the handler's own")

    telemetry.attach("broken", ["*"], broken)
    try:
        with caplog.at_level(logging.ERROR):
            telemetry.emit("voice.stt.start", {}, {})
    finally:
        telemetry.detach("broken")
    assert len(seen) == 1
    assert "broken" in caplog.text


def test_names_attached_later_are_heard_from_then_on(seen: Seen) -> None:
    telemetry.emit("other", {}, {})
    late: list[str] = []
    telemetry.attach("late", ["other"], lambda name, _m, _d: late.append(name))
    telemetry.emit("other", {}, {})
    telemetry.detach("late")
    assert late == ["other"]


@pytest.mark.parametrize(
    ("names", "words"), [("realtime.*", "list"), ([], "at least one"), (["x"], "already")]
)
def test_what_cannot_be_attached_is_said(seen: Seen, names: list[str], words: str) -> None:
    handler_id = "test" if names == ["x"] else "other"
    with pytest.raises(ConfigError, match=words):
        telemetry.attach(handler_id, names, lambda *_: None)


@pytest.mark.parametrize(
    ("names", "handler"),
    [("realtime.*", print), ([], print), ([3], print), ([""], print), (None, print), (["a"], None)],
)
def test_what_cannot_be_attached_is_refused(names: object, handler: object) -> None:
    with pytest.raises(ConfigError):
        telemetry.attach("odd", names, handler)  # type: ignore[arg-type]
    assert not telemetry.detach("odd")
