from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from support.voice_runs import events_of, pipeline
from voxloop import voice
from voxloop._errors import ConfigError, StoreError, UseAfterClose
from voxloop.agents import (
    Agent,
    Change,
    Conversation,
    ConversationStore,
    Handoff,
    MemoryStore,
    SqliteStore,
    run_turn,
)
from voxloop.agents.items import assistant_item, call_item, output_item, user_item
from voxloop.providers import ModelDone
from voxloop.testing.scripted import Pause, ScriptedLLM, call
from voxloop.tools import JsonObject


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[ConversationStore]:
    if kind == "memory":
        yield MemoryStore()
    else:
        async with SqliteStore(folder / "calls.db") as store:
            yield store


KINDS = pytest.mark.parametrize("kind", ["memory", "sqlite"])


async def turn(conversation: Conversation, text: str, model: ScriptedLLM) -> None:
    async with run_turn(conversation, text, model=model) as events:
        async for _ in events:
            pass


@KINDS
async def test_a_conversation_goes_on_where_it_was_left(kind: str, tmp_path: Path) -> None:
    sales = Agent("Sales", "Sell.")
    greeter = Agent("Greeter", "Greet.", handoffs=[sales])
    model = ScriptedLLM(
        [call("transfer_to_sales")], ["Grüß Gott.", ModelDone(usage={"total_tokens": 3})], "Again."
    )
    async with opened(kind, tmp_path) as store:
        first = Conversation(greeter, store=store, conversation_id="7")
        await turn(first, "one", model)
        second = Conversation(greeter, store=store, conversation_id="7")
        await turn(second, "two", model)
        assert second.history[:4] == first.history
        assert model.requests[2].instructions == "Sell."
        assert model.requests[2].items[:4] == first.history
        assert (second.agent, second.usage) == (sales, {"total_tokens": 3})
        assert len((await store.load("7")).items) == 6
        assert (await store.load("8")).items == ()
        await store.delete("7")
        assert (await store.load("7")).items == ()


@KINDS
async def test_a_turn_that_fails_or_is_cancelled_leaves_no_trace(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as store:
        conversation = Conversation(Agent("A"), store=store, conversation_id="7")
        with pytest.raises(OSError, match="gone"):
            await turn(conversation, "one", ScriptedLLM(["Half", OSError("gone")]))
        with trio.move_on_after(0.2):
            await turn(conversation, "one", ScriptedLLM(["Half", Pause(60)]))
        assert (await store.load("7")).version == 0
        await turn(conversation, "two", ScriptedLLM("Whole."))
        assert [i["role"] for i in (await store.load("7")).items] == ["user", "assistant"]


@KINDS
async def test_what_was_heard_is_kept_even_if_the_turn_is_cancelled(
    kind: str, tmp_path: Path
) -> None:
    async with opened(kind, tmp_path) as store:
        conversation = Conversation(Agent("A"), store=store, conversation_id="7")
        with trio.CancelScope() as scope:
            model = ScriptedLLM(["One. ", "Two.", Pause(60)])
            async with run_turn(conversation, "x", model=model) as events:
                await anext(events)
                events.interrupt(heard="One")
                scope.cancel()
                await trio.sleep_forever()
        (_, answer) = (await store.load("7")).items
        assert answer == assistant_item("One")


@KINDS
async def test_a_filtered_handoff_replaces_what_is_stored(kind: str, tmp_path: Path) -> None:
    def last(items: tuple[JsonObject, ...]) -> list[JsonObject]:
        return [user_item("summary")]

    greeter = Agent("Greeter", handoffs=[Handoff(agent=Agent("Sales"), input_filter=last)])
    async with opened(kind, tmp_path) as store:
        conversation = Conversation(greeter, store=store, conversation_id="7")
        await turn(conversation, "one", ScriptedLLM([call("transfer_to_sales")], "Yes?"))
        found = await store.load("7")
        assert found.items == (user_item("summary"), assistant_item("Yes?"))
        assert found.items == conversation.history


@KINDS
async def test_no_more_is_loaded_than_allowed_and_no_output_without_its_call(
    kind: str, tmp_path: Path
) -> None:
    items = (
        user_item("1"),
        call_item(name="f", arguments="{}", call_id="c"),
        output_item(call_id="c", output="o"),
        assistant_item("a"),
        user_item("2"),
        assistant_item("b"),
    )
    async with opened(kind, tmp_path) as store:
        await store.commit("7", Change(items=items), version=0)
        for limit, kept in ((None, 6), (6, 6), (4, 2), (2, 2), (1, 0)):
            assert (await store.load("7", limit=limit)).items == items[6 - kept :], limit
        short = Conversation(Agent("A"), store=store, conversation_id="7", limit=2)
        await short.load()
        assert short.history == items[4:]


@KINDS
async def test_two_turns_at_once_are_put_one_behind_the_other(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as store:
        change = Change(items=(user_item("x"), assistant_item("y")), usage={"n": 1})
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(lambda: store.commit("7", change, version=0))
        found = await store.load("7")
        assert [i["role"] for i in found.items] == ["user", "assistant"] * 20
        assert (found.version, found.usage) == (20, {"n": 20})
        with pytest.raises(StoreError, match="changed by somebody else") as caught:
            await store.commit("7", Change(items=(), replace=True), version=19)
        assert caught.value.code == "store_conflict"
        assert (await store.load("7")).version == 20


WRITER = """
import sys, trio
from voxloop.agents import Change, SqliteStore
from voxloop.agents.items import assistant_item, user_item

async def main() -> None:
    async with SqliteStore(sys.argv[1], busy_timeout=60) as store:
        for n in range(25):
            said = f"{sys.argv[2]} {n}"
            change = Change(items=(user_item(said), assistant_item(said)), usage={"n": 1})
            await store.commit("shared", change, version=0)

trio.run(main)
"""


async def test_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"

    async def write(name: str) -> None:
        command = [sys.executable, "-c", WRITER, str(path), name]
        done = await trio.run_process(command, capture_stderr=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(write, name)
    async with SqliteStore(path) as store:
        found = await store.load("shared")
    assert (len(found.items), found.version, found.usage) == (150, 75, {"n": 75})
    texts: list[Any] = [item["content"][0]["text"] for item in found.items]  # type: ignore[index]
    assert texts[0::2] == texts[1::2]  # no turn stands inside another
    assert [t for t in texts[0::2] if t.startswith("a")] == [f"a {n}" for n in range(25)]


async def test_a_new_file_may_be_opened_by_several_at_once(tmp_path: Path) -> None:
    async def open_it(path: Path) -> None:
        async with SqliteStore(path) as store:
            assert await store.conversation_ids() == ()

    for number in range(40):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(open_it, tmp_path / f"{number}.db")


async def test_a_writer_that_is_killed_leaves_whole_turns(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    endless = WRITER.replace("range(25)", "range(10**6)")
    with subprocess.Popen([sys.executable, "-c", endless, str(path), "a"]) as process:
        with trio.fail_after(60):
            while True:
                await trio.sleep(0.05)
                if path.exists() and path.stat().st_size:
                    async with SqliteStore(path) as store:
                        if (await store.load("shared")).version > 5:
                            break
        process.kill()
    async with SqliteStore(path) as store:
        found = await store.load("shared")
    assert len(found.items) == 2 * found.version


async def test_files_that_are_no_store_are_refused(tmp_path: Path) -> None:
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"not a database at all, " * 100)
    other = tmp_path / "other.db"
    import sqlite3

    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    for path in (noise, other):
        before = path.read_bytes()
        with pytest.raises(StoreError) as caught:
            async with SqliteStore(path):
                pass
        assert caught.value.code == "store_corrupt"
        assert path.read_bytes() == before
    with pytest.raises(StoreError, match="failed"):
        async with SqliteStore(tmp_path / "no" / "folder.db"):
            pass


async def test_a_damaged_file_is_a_typed_error(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    async with SqliteStore(path) as store:
        items = tuple(user_item("x" * 500) for _ in range(200))
        await store.commit("7", Change(items=items), version=0)
    data = bytearray(path.read_bytes())
    assert len(data) > 50_000
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(StoreError) as caught:
        async with SqliteStore(path) as store:
            await store.load("7")
    assert caught.value.code == "store_corrupt"


async def test_a_file_that_is_held_is_a_typed_error(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "calls.db"
    async with SqliteStore(path, busy_timeout=0.05) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process held") as caught:
            await store.commit("7", Change(items=()), version=0)
        assert (caught.value.code, caught.value.retryable) == ("store_busy", True)
        assert (await store.load("7")).version == 0  # reading is free
        holder.execute("ROLLBACK")
        holder.close()
        assert await store.commit("7", Change(items=()), version=0) == 1


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "calls.db")
    with pytest.raises(UseAfterClose, match="async with"):
        await store.load("7")
    async with store:
        assert await store.conversation_ids() == ()
    with pytest.raises(UseAfterClose):
        await store.delete("7")


async def test_a_store_that_fails_leaves_the_conversation_as_it_was(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "calls.db", busy_timeout=0) as store:
        conversation = Conversation(Agent("A"), store=store, conversation_id="7")
        await turn(conversation, "one", ScriptedLLM("1"))
        before = conversation.history
        import sqlite3

        holder = sqlite3.connect(tmp_path / "calls.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError):
            await turn(conversation, "two", ScriptedLLM("2"))
        holder.execute("ROLLBACK")
        holder.close()
        assert conversation.history == before
        await turn(conversation, "three", ScriptedLLM("3"))
        assert (await store.load("7")).items == conversation.history


@pytest.mark.parametrize(
    "arguments",
    [
        {"store": MemoryStore()},
        {"conversation_id": "7"},
        {"store": MemoryStore(), "conversation_id": ""},
        {"store": MemoryStore(), "conversation_id": "7", "history": [user_item("x")]},
        {"store": MemoryStore(), "conversation_id": "7", "limit": 0},
    ],
)
def test_settings_of_a_conversation_are_checked(arguments: Any) -> None:
    with pytest.raises(ConfigError):
        Conversation(Agent("A"), **arguments)


async def test_a_workflow_remembers_over_pipelines(tmp_path: Path) -> None:
    model = ScriptedLLM("First.", "Second.")
    async with SqliteStore(tmp_path / "calls.db") as store:
        for _ in range(2):
            workflow = voice.AgentWorkflow(Agent("A"), store=store, conversation_id="7")
            _, error = await events_of(pipeline(workflow, llm=model))
            assert error is None
    assert len(model.requests[1].items) == 3
