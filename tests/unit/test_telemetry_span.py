"""Spans: two events with the same ids, one within the other."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping

import pytest
import trio

from voxloop import telemetry
from voxloop._errors import ConfigError, NetworkTimeout

Seen = list[tuple[str, dict[str, float], dict[str, object]]]


@pytest.fixture
def seen() -> Iterator[Seen]:
    events: Seen = []

    def note(name: str, measurements: Mapping[str, float], metadata: Mapping[str, object]) -> None:
        events.append((name, dict(measurements), dict(metadata)))

    telemetry.attach("test", ["shop.*"], note)
    yield events
    telemetry.detach("test")


def test_a_block_is_told_at_both_ends(seen: Seen) -> None:
    with telemetry.span("shop.lookup", {"shop": "north"}) as span:
        assert telemetry.current_span() is span
    assert telemetry.current_span() is None
    (first, begun, about), (second, ended, same) = seen
    assert (first, second) == ("shop.lookup.start", "shop.lookup.stop")
    assert about == same == {"shop": "north", **span.metadata}
    assert begun["system_time"] > 1e9
    assert ended["duration_ms"] >= 0
    assert re.fullmatch("[0-9a-f]{32}", span.trace_id)
    assert re.fullmatch("[0-9a-f]{16}", span.span_id)
    assert span.parent_id is None


def test_what_a_block_raises_goes_on_and_is_told_without_its_words(seen: Seen) -> None:
    with pytest.raises(NetworkTimeout), telemetry.span("shop.lookup"):
        raise NetworkTimeout("of the customer", phase="connect")
    name, measured, about = seen[-1]
    assert name == "shop.lookup.exception"
    assert measured["duration_ms"] >= 0
    assert (about["error"], about["code"]) == ("NetworkTimeout", NetworkTimeout.code)
    assert "customer" not in str(seen)
    assert telemetry.current_span() is None


def test_blocks_lie_within_each_other(seen: Seen) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with telemetry.span("shop.day", trace_id=trace) as day:
        with telemetry.span("shop.lookup") as lookup:
            pass
        with telemetry.within(lookup), telemetry.span("shop.shelf") as shelf:
            pass
    with telemetry.span("shop.night", parent=day) as night:
        pass
    assert {s.trace_id for s in (day, lookup, shelf, night)} == {trace}
    assert (lookup.parent_id, shelf.parent_id) == (day.span_id, lookup.span_id)
    assert night.parent_id == day.span_id


async def test_tasks_and_threads_lie_within_the_block_that_began_them() -> None:
    found: list[telemetry.Span | None] = []

    async def task() -> None:
        found.append(await trio.to_thread.run_sync(telemetry.current_span))

    with telemetry.span("shop.day") as day:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)
    assert found == [day]


@pytest.mark.parametrize("wrong", ["", "x" * 32, "AB" * 16, "0" * 32, "ab"])
def test_what_is_no_trace_id_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="trace_id"), telemetry.span("shop.day", trace_id=wrong):
        pass


def test_a_span_may_be_begun_when_it_is_asked_for() -> None:
    outer = telemetry.Later(telemetry.Span.begin())
    inner = telemetry.Later(outer)
    with telemetry.within(inner):
        found = telemetry.current_span()
        assert found is telemetry.current_span() is inner.span
        with telemetry.span("shop.lookup") as lookup:
            pass
    assert telemetry.current_span() is None
    assert (found.parent_id, found.trace_id) == (outer.span.span_id, outer.span.trace_id)
    assert lookup.parent_id == found.span_id


def test_a_span_that_two_threads_ask_for_is_begun_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[telemetry.Span] = []
    begin = telemetry.Span.begin

    def slow(parent: telemetry.Span | None = None) -> telemetry.Span:
        time.sleep(0.05)  # both threads are in here, if nothing keeps them out
        made.append(begin(parent))
        return made[-1]

    later = telemetry.Later(telemetry.Span.begin())
    monkeypatch.setattr(telemetry.Span, "begin", slow)
    found: list[telemetry.Span] = []
    threads = [threading.Thread(target=lambda: found.append(later.span)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 4
