"""`open_session`: from an agent to a running session, and back to nothing."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeAlias

import trio

from voxloop._errors import ConfigError
from voxloop.agents import Agent, open_nursery, resolve
from voxloop.providers import Provider
from voxloop.realtime.arguments import check_opening
from voxloop.realtime.config import BEARER, ModelConfig, RunConfig
from voxloop.realtime.items import as_item
from voxloop.realtime.machine import inputs
from voxloop.realtime.machine.state import initial
from voxloop.realtime.session import Session
from voxloop.realtime.skin.connector import Connector
from voxloop.realtime.skin.runner import Runner
from voxloop.realtime.skin.work import check_agent
from voxloop.tools import RunContext
from voxloop.wire import realtime as rt

_Connect: TypeAlias = Callable[[trio.Nursery], Awaitable[tuple[Runner, list[rt.Item]]]]
"""Makes the first connection; with the items to begin with."""


def open_session(
    agent: Agent,
    *,
    config: RunConfig | None = None,
    provider: Provider | None = None,
    model_config: ModelConfig | None = None,
    context: object = None,
    initial_items: Sequence[rt.Item | Mapping[str, object]] = (),
) -> AbstractAsyncContextManager[Session]:
    """Open a realtime session with an agent.

    Nothing happens before the block is entered. Leaving it, in whatever way, sends nothing more,
    closes the connection, cancels running tools, and takes at most ``config.close_timeout`` seconds
    of waiting for the peer.

    Args:
        agent: Who answers at first.
        config: How the session behaves.
        provider: Whose engines are used; None goes by the API key that is found.
        model_config: Which model, and how it is reached.
        context: Any object; tools, handoffs and instructions get it as ``RunContext.value``.
        initial_items: What was said before, such as `Session.export` of another session gave; it
            stands in the conversation before anything else.

    Raises:
        AuthenticationError: No key was found, or it was refused.
        NetworkError: The connection could not be made, in ``Reconnect.first_attempts`` attempts if
            another could have worked.
        ConfigError: Something that was given cannot be used.

    **Cancellation:** what was opened is closed.
    """
    connect = partial(_connected, agent, config, provider, model_config, context, initial_items)
    return _Opening(connect)


class _Opening(AbstractAsyncContextManager[Session]):
    """The block around a session; a generator would take more room for as long as it is open."""

    __slots__ = ("_block", "_connect", "_runner")

    def __init__(self, connect: _Connect) -> None:
        self._connect = connect
        self._block = open_nursery()
        self._runner: Runner | None = None

    async def __aenter__(self) -> Session:
        connect = self._connect
        del self._connect  # what it takes to open one is not kept for as long as it is open
        nursery = await self._block.__aenter__()
        try:
            self._runner, before = await connect(nursery)
            session = Session(self._runner)
            self._runner.start()
            for item in before:
                self._runner.command(inputs.AddItem(item, None, False, time.monotonic()))
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return session

    async def __aexit__(self, *failure: Any) -> bool | None:
        try:
            if self._runner is not None:
                await self._runner.aclose()
        except BaseException as error:
            await self._block.__aexit__(type(error), error, error.__traceback__)
            raise
        return await self._block.__aexit__(*failure)


async def _connected(
    agent: Agent,
    config: RunConfig | None,
    provider: Provider | None,
    model_config: ModelConfig | None,
    context: object,
    initial_items: Sequence[rt.Item | Mapping[str, object]],
    nursery: trio.Nursery,
) -> tuple[Runner, list[rt.Item]]:
    """Check what was given and make the first connection; with the items to begin with."""
    settings, target = check_opening(agent, config, model_config, provider, initial_items)
    chosen = provider if provider is not None else own_provider(target)
    if provider is not None and (target.api_key is not None or target.key_header != BEARER):
        raise ConfigError("give the API key to the provider, or leave provider out")
    run_context = RunContext(context)
    before = [as_item(item) for item in initial_items]
    resolved = await resolve(agent, run_context)
    check_agent(resolved, settings.model_settings)
    state = initial(
        resolved,
        settings,
        prefix=uuid.uuid4().hex[:8],
        attached=target.call_id is not None,
        reconnect=target.reconnect,
    )
    where = target.target(agent.model)
    began = time.monotonic()
    connector = Connector(chosen, where, target.reconnect)
    runner = Runner(state, connector, nursery, run_context)
    await runner.connect()
    runner.observer.started(
        model=where.model,
        agent=agent.name,
        connect_seconds=time.monotonic() - began,
        transport=runner.transport,
        attempts=connector.attempts,
    )
    return runner, before


def own_provider(target: ModelConfig) -> Provider:
    """The provider that is taken when none is given.

    Raises:
        AuthenticationError: No key was found.
    """
    if target.api_key is None:
        from voxloop.providers import default_provider

        return default_provider()
    from voxloop.providers import OpenAI

    # A function is asked again for every connection.
    return OpenAI(api_key=target.api_key, key_header=target.key_header)
