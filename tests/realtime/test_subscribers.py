"""Broadcast: every subscriber gets everything, and none holds up another."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from voxloop import realtime, testing
from voxloop._errors import ConcurrencyError, VoxloopError
from voxloop.agents import Agent
from voxloop.realtime.skin.subscribers import IN_A_ROW, Hub, Subscription
from voxloop.testing import script as s


def sized(event: object) -> int:
    return len(event) if isinstance(event, bytes) else 0


async def take(subscription: Subscription[object], count: int) -> list[object]:
    return [await subscription.__anext__() for _ in range(count)]


async def test_every_subscriber_gets_everything_from_its_beginning_on() -> None:
    hub: Hub[object] = Hub()
    first = hub.add()
    hub.publish(1)
    second = hub.add()
    hub.publish(2)
    hub.finish(None)
    assert [e async for e in first] == [1, 2]
    assert [e async for e in second] == [2]


async def test_an_error_is_raised_after_the_last_event() -> None:
    hub: Hub[object] = Hub()
    subscription = hub.add()
    hub.publish(1)
    hub.finish(VoxloopError("over"))
    late = hub.add()
    assert await take(subscription, 1) == [1]
    for ended in (subscription, late):
        with pytest.raises(VoxloopError, match="over"):
            await ended.__anext__()


async def test_of_too_much_sound_the_oldest_is_dropped_and_counted() -> None:
    subscription: Subscription[object] = Subscription(max_bytes=10)
    for event in (b"aaaa", 1, b"bbbb", b"cccc", 2, b"dddd"):
        subscription.push(event, sized(event))
    assert subscription.dropped == 2
    assert await take(subscription, 4) == [1, b"cccc", 2, b"dddd"]


async def test_who_lets_too_many_events_pile_up_is_cut_off_after_what_is_there() -> None:
    hub: Hub[object] = Hub()
    slow, fast = hub.add(), hub.add()
    slow._limits = (3, 10)
    for number in range(6):
        hub.publish(number)
        assert await fast.__anext__() == number
    assert await take(slow, 4) == [0, 1, 2, 3]
    with pytest.raises(VoxloopError) as caught:
        await slow.__anext__()
    assert caught.value.code == "subscriber_too_slow"
    hub.publish(6)
    assert await fast.__anext__() == 6


async def test_a_channel_that_nobody_reads_ends_nothing_and_holds_nothing() -> None:
    hub: Hub[object] = Hub()
    own = hub.add(unasked=True)
    own._limits = (3, 10)
    for number in range(3):
        hub.publish(number)
    hub.publish(b"sound", 5)
    hub.publish(3)  # one too many: it lets go of all
    for number in range(4, 5_000):
        hub.publish(number)
    assert own.dropped == 5_001
    assert own.open
    assert hub.wanted
    async with trio.open_nursery() as nursery:
        got: list[object] = []

        async def read() -> None:
            got.extend(await take(own, 2))

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        hub.publish("first")
        hub.publish("second")
    assert got == ["first", "second"]
    for number in range(4):  # from now on it is a channel like all others
        hub.publish(number)
    assert not own.open


async def test_a_channel_that_fell_asleep_still_tells_the_end() -> None:
    hub: Hub[object] = Hub()
    own = hub.add(unasked=True)
    own._limits = (1, 1)
    for number in range(5):
        hub.publish(number)
    hub.finish(VoxloopError("over"))
    with pytest.raises(VoxloopError, match="over"):
        await own.__anext__()


async def test_sound_and_events_keep_their_order() -> None:
    subscription: Subscription[object] = Subscription()
    order: list[object] = [1, b"a", b"b", 2, 3, b"c", 4]
    for event in order:
        subscription.push(event, sized(event))
    assert await take(subscription, len(order)) == order


async def test_two_tasks_may_not_share_one_subscription() -> None:
    subscription: Subscription[object] = Subscription()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscription.__anext__)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ConcurrencyError):
            await subscription.__anext__()
        subscription.push(1)


async def test_a_cancel_loses_nothing() -> None:
    subscription: Subscription[object] = Subscription()
    got: list[object] = []

    async def produce() -> None:
        for number in range(2000):
            subscription.push(number)
            if number % 7 == 0:
                await trio.sleep(0)
        subscription.finish(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        attempt = 0
        while True:
            attempt += 1
            with trio.CancelScope() as scope:
                if attempt % 3 == 0:
                    scope.cancel()
                try:
                    got.append(await subscription.__anext__())
                except StopAsyncIteration:
                    break
    assert got == list(range(2000))


async def test_iterating_is_a_checkpoint() -> None:
    subscription: Subscription[object] = Subscription()
    subscription.push(1)
    with trio.testing.assert_checkpoints():
        await subscription.__anext__()


async def test_a_reader_of_many_events_lets_others_have_a_turn() -> None:
    subscription: Subscription[object] = Subscription()
    for number in range(10 * IN_A_ROW):
        subscription.push(number)
    turns: list[object] = []

    async def other() -> None:
        while True:
            turns.append(None)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(10 * IN_A_ROW):
            await subscription.__anext__()
        nursery.cancel_scope.cancel()
    assert len(turns) >= 9, "in between any two runs of it, in whatever order they begin"


async def test_a_cancel_of_an_iteration_loses_nothing() -> None:
    subscription: Subscription[object] = Subscription()
    for number in range(100):
        subscription.push(number)
    got: list[object] = []
    for turn in range(200):
        with trio.CancelScope() as scope:
            if turn % 2:
                scope.cancel()
            got.append(await subscription.__anext__())
    assert got == list(range(100))


async def test_a_burst_waits_for_a_reader_that_is_at_work() -> None:
    hub: Hub[object] = Hub()
    busy, stuck = hub.add(), hub.add()
    got: list[object] = []

    async def read() -> None:
        async for event in busy:
            got.append(event)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(stuck.__anext__)  # it takes one, and then no more
        for number in range(3_000):
            hub.publish(number, 1_000_000)
            if number % 8 == 0:
                await hub.give_way()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert stuck.dropped > 2_900
    assert busy.dropped == 0
    assert got == list(range(3_000))


async def test_closing_twice_does_nothing() -> None:
    hub: Hub[object] = Hub()
    subscription = hub.add()
    hub.remove(subscription)
    hub.remove(subscription)
    hub.publish(1)
    assert [e async for e in subscription] == []
    assert not hub.wanted


async def test_a_subscriber_of_a_session_sees_what_the_session_sees() -> None:
    async with testing.RealtimeServer(s.conversation(s.Say("Hello you"))) as server:
        async with (
            realtime.open_session(Agent("A"), provider=server.provider()) as session,
            session.subscribe() as events,
            session.wire_events() as wire,
        ):
            await session.send_message("Hi")
            mine: list[realtime.Event] = []
            with trio.fail_after(5):
                async for event in events:
                    mine.append(event)
                    if isinstance(event, realtime.AgentEndEvent):
                        break
                own: list[realtime.Event] = []
                async for event in session:
                    own.append(event)
                    if isinstance(event, realtime.AgentEndEvent):
                        break
            frames = [await wire.__anext__() for _ in range(3)]
    assert own[-len(mine) :] == mine
    assert {frame.direction for frame in frames} >= {"out"}
    assert '"conversation.item.create"' in str(frames[0].data)
