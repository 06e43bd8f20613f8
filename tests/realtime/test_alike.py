"""Many sessions: what is alike is held once, what differs is not, and none has a task too many."""

from __future__ import annotations

import gc
from typing import Any

import trio
import trio.testing

from support.realtime_driver import Driver
from voxloop import realtime, testing
from voxloop._bridge import Waiter
from voxloop.agents import Agent, RunContext, resolve
from voxloop.realtime.config import RunConfig, SessionModelSettings
from voxloop.realtime.machine.settings import kept
from voxloop.testing import script as s
from voxloop.tools import tool


@tool
async def lookup(key: str) -> str:
    """Look something up."""
    return key


@tool
async def forget(key: str) -> str:
    """Forget something."""
    return key


def sound_of(driver: Driver) -> object:
    return driver.state.link.known["audio"]


def test_the_settings_of_sound_are_held_once_and_apart_where_they_differ() -> None:
    fast = RunConfig(model_settings=SessionModelSettings(speed=1.5))
    one, two, other = Driver().start(), Driver().start(), Driver(config=fast).start()
    assert sound_of(one) is sound_of(two)
    assert sound_of(other) != sound_of(one)


def test_settings_that_only_look_alike_as_json_stay_apart() -> None:
    listed = kept({"audio": {"output": {"voice": {"id": ["a"]}}}})
    tupled = kept({"audio": {"output": {"voice": {"id": ("a",)}}}})
    assert listed["audio"] != tupled["audio"]
    assert kept(listed) is listed


def test_what_no_session_holds_any_more_is_gone() -> None:
    from voxloop.realtime.machine import settings

    gc.collect()
    before = len(settings._trees)
    held = kept({"audio": {"output": {"speed": 1.2345}}})
    assert len(settings._trees) == before + 1
    del held
    assert len(settings._trees) == before


async def test_functions_of_an_agent_are_held_once_though_its_words_are_each_contexts_own() -> None:
    def words(context: RunContext[Any], agent: Agent) -> str:
        return f"Talk to {context.value}."

    agent = Agent("A", words, tools=[lookup])
    ann, bob = [await resolve(agent, RunContext(name)) for name in ("Ann", "Bob")]
    assert (ann.instructions, bob.instructions) == ("Talk to Ann.", "Talk to Bob.")
    assert ann.functions is bob.functions
    assert ann.schemas is bob.schemas
    twin = await resolve(Agent("A", words, tools=[forget]), RunContext("Ann"))
    assert list(twin.functions) == ["forget"]


async def test_functions_that_are_switched_off_are_not_those_of_another_session() -> None:
    def allowed(context: RunContext[Any], agent: Any) -> bool:
        return bool(context.value)

    @tool(is_enabled=allowed)
    async def secret() -> str:
        """Secret."""
        return ""

    agent = Agent("A", "x", tools=[lookup, secret])
    some = await resolve(agent, RunContext(False))
    every = await resolve(agent, RunContext(True))
    again = await resolve(agent, RunContext(False))
    assert list(some.functions) == list(again.functions) == ["lookup"]
    assert list(every.functions) == ["lookup", "secret"]
    assert len(again.schemas) == 1


async def test_an_open_session_is_one_task_beside_its_callers() -> None:
    async with (
        trio.open_nursery() as nursery,
        testing.RealtimeServer(s.conversation(s.Say("Hello"))) as server,
    ):
        async with realtime.open_session(Agent("A"), provider=server.provider()) as session:
            await trio.testing.wait_all_tasks_blocked()
            names = [name for name in tasks_of(nursery) if name.startswith("voxloop ")]
            assert names == ["voxloop connection"]
            await session.clear_audio()


def tasks_of(nursery: trio.Nursery) -> list[str]:
    """Names of all tasks beneath the one that opened it."""
    found, todo = [], list(nursery.parent_task.child_nurseries)
    while todo:
        for task in todo.pop().child_tasks:
            found.append(task.name)
            todo.extend(task.child_nurseries)
    return found


async def test_a_waiter_goes_on_when_it_is_called_and_only_then() -> None:
    waiter, woken = Waiter(), 0

    async def wait() -> None:
        nonlocal woken
        await waiter.wait()
        woken += 1

    waiter.call()  # nobody waits: nothing is remembered
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert woken == 0
        waiter.call()
        waiter.call()  # a second time before it had its turn does nothing
        await trio.testing.wait_all_tasks_blocked()
        assert woken == 1


async def test_a_waiter_that_was_cancelled_may_wait_again() -> None:
    waiter = Waiter()
    with trio.move_on_after(0) as scope:
        await waiter.wait()
    assert scope.cancelled_caught
    waiter.call()

    async def wait() -> None:
        await waiter.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        waiter.call()
