"""Conversations in a SQLite file, by the standard library."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self, TypeVar

import msgspec
import trio

from voxloop._errors import ConfigError, StoreError, UseAfterClose
from voxloop.agents.items import add_usage
from voxloop.agents.store import Change, StoredConversation, check_version, latest
from voxloop.tools import JsonObject
from voxloop.wire.text import encode_json

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    agent TEXT NOT NULL,
    usage TEXT NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS items_by_conversation ON items (conversation, number);
"""
_APPLICATION_ID = 0x766F786C
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_AGAIN_SECONDS = 0.01
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SqliteStore:
    """Keeps any number of conversations in one file; several processes may share it.

    Each turn is one transaction, written ahead of the file (WAL), so that a crash or a power cut
    leaves whole turns. All of it happens in a worker thread, one call at a time. The file must lie
    on a local disk: WAL does not work over a network file system.

    Args:
        path: The file; made if it is not there, its folder is not.
        busy_timeout: Seconds to wait while another process writes.

    Raises:
        ConfigError: `busy_timeout` is negative.

    Example::

        async with SqliteStore("calls.db") as store:
            workflow = voice.AgentWorkflow(agent, store=store, conversation_id="caller-7")
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout: float = 5.0) -> None:
        if not 0 <= busy_timeout <= 3600:
            raise ConfigError(f"busy_timeout is {busy_timeout}; give seconds from 0 to 3600")
        self._path = Path(path)
        self._timeout = busy_timeout
        self._connection: sqlite3.Connection | None = None
        self._limiter = trio.CapacityLimiter(1)

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            StoreError: It cannot be opened, is no store, or is damaged.

        **Cancellation:** waits for the thread; nothing stays open.
        """
        self._connection = await self._run(self._open)
        return self

    async def __aexit__(self, *details: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with trio.CancelScope(shield=True):
                await self._run(connection.close)

    async def load(self, conversation_id: str, *, limit: int | None = None) -> StoredConversation:
        """See `ConversationStore`.

        Raises:
            StoreError: The file could not be read; ``code`` ``"store_corrupt"`` if it is damaged.
            UseAfterClose: The store is not open.

        **Cancellation:** waits for the thread; may be called again.
        """
        connection = self._opened()
        return await self._run(lambda: self._load(connection, conversation_id, limit))

    async def commit(self, conversation_id: str, change: Change, *, version: int) -> int:
        """See `ConversationStore`.

        Raises:
            StoreError: The file could not be written; ``code`` ``"store_busy"`` if another
                process held it for too long, ``"store_conflict"`` if what is to be replaced was
                changed meanwhile.
            UseAfterClose: The store is not open.

        **Cancellation:** waits for the thread; the change is taken over whole or not at all.
        """
        connection = self._opened()
        return await self._run(lambda: self._commit(connection, conversation_id, change, version))

    async def delete(self, conversation_id: str) -> None:
        """See `ConversationStore`.

        Raises:
            StoreError: The file could not be written.
            UseAfterClose: The store is not open.

        **Cancellation:** waits for the thread; all of it is forgotten, or nothing.
        """
        connection = self._opened()

        def delete() -> None:
            with _transaction(connection):
                connection.execute("DELETE FROM items WHERE conversation = ?", (conversation_id,))
                connection.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))

        await self._run(delete)

    async def conversation_ids(self) -> tuple[str, ...]:
        """Ids of all conversations, sorted.

        Raises:
            StoreError: The file could not be read.
            UseAfterClose: The store is not open.

        **Cancellation:** waits for the thread; may be called again.
        """
        connection = self._opened()
        query = "SELECT id FROM conversations ORDER BY id"
        return await self._run(lambda: tuple(row[0] for row in connection.execute(query)))

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise UseAfterClose(
                "the store is not open; use it inside `async with SqliteStore(...)`"
            )
        return self._connection

    async def _run(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            try:
                return work()
            except sqlite3.Error as error:
                raise self._error(error) from error
            except (msgspec.DecodeError, UnicodeError) as error:
                text = f"the store {self._path.name} holds an item that cannot be read"
                raise StoreError(text, code="store_corrupt") from error

        return await trio.to_thread.run_sync(guarded, limiter=self._limiter)

    def _error(self, error: sqlite3.Error) -> StoreError:
        number = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
        name = self._path.name
        if number in _CORRUPT:
            text = f"{name} is no store of conversations, or is damaged; restore it from a copy"
            return StoreError(text, code="store_corrupt")
        if number in _BUSY:
            text = f"another process held {name} for more than {self._timeout:g} s"
            return StoreError(text, code="store_busy", retryable=True)
        return StoreError(f"the store {name} failed: {error}")

    def _open(self) -> sqlite3.Connection:
        # One thread at a time by the limiter, yet not always the same one.
        connection = sqlite3.connect(
            self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("BEGIN")  # both of one state: another process may just be making it
            (found,) = connection.execute("PRAGMA application_id").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute("ROLLBACK")
            if found != _APPLICATION_ID and tables:
                raise StoreError(
                    f"{self._path.name} is another program's database; give a file of its own",
                    code="store_corrupt",
                )
            self._write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            with _transaction(connection):
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        # Several that change the mode of a new file at once refuse each other without waiting.
        until = time.monotonic() + self._timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() >= until:
                    raise
            time.sleep(_AGAIN_SECONDS)

    @staticmethod
    def _load(
        connection: sqlite3.Connection, conversation_id: str, limit: int | None
    ) -> StoredConversation:
        connection.execute("BEGIN")  # both reads see one state
        try:
            head = _head(connection, conversation_id)
            query = "SELECT body FROM items WHERE conversation = ? ORDER BY number DESC LIMIT ?"
            with closing(
                connection.execute(query, (conversation_id, -1 if limit is None else limit + 1))
            ) as rows:
                bodies = [row[0] for row in rows]
        finally:
            connection.execute("ROLLBACK")
        items = tuple(_ITEM.decode(body) for body in reversed(bodies))
        agent, usage, version = head or ("", {}, 0)
        return StoredConversation(
            items=latest(items, limit), agent=agent, usage=usage, version=version
        )

    @staticmethod
    def _commit(
        connection: sqlite3.Connection, conversation_id: str, change: Change, version: int
    ) -> int:
        bodies = [(conversation_id, encode_json(item).decode()) for item in change.items]
        with _transaction(connection):
            _, before, found = _head(connection, conversation_id) or ("", {}, 0)
            check_version(change, version, found)
            if change.replace:
                connection.execute("DELETE FROM items WHERE conversation = ?", (conversation_id,))
            connection.executemany("INSERT INTO items (conversation, body) VALUES (?, ?)", bodies)
            usage = msgspec.json.encode(add_usage(before, change.usage)).decode()
            connection.execute(
                "INSERT INTO conversations (id, agent, usage, version) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET agent = excluded.agent, "
                "usage = excluded.usage, version = excluded.version",
                (conversation_id, change.agent, usage, found + 1),
            )
        return found + 1


_ITEM: msgspec.json.Decoder[JsonObject] = msgspec.json.Decoder(dict[str, object])


def _head(
    connection: sqlite3.Connection, conversation_id: str
) -> tuple[str, JsonObject, int] | None:
    query = "SELECT agent, usage, version FROM conversations WHERE id = ?"
    row = connection.execute(query, (conversation_id,)).fetchone()
    return None if row is None else (row[0], _ITEM.decode(row[1]), row[2])


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")  # the lock first: no reader turns writer half-way
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
