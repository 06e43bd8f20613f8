"""Telephone calls: a SIP call is answered over HTTP, and then a session is attached to it.

Each function is one request to ``/realtime/calls/{call_id}/...``; see `accept`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from voxloop import net
from voxloop._errors import CallNotFound, ConfigError
from voxloop.agents import Agent, resolve
from voxloop.agents.checks import wire_choice
from voxloop.net import ApiKey, HttpOptions
from voxloop.providers.openai.endpoint import Endpoint
from voxloop.providers.openai.errors import error_from_response
from voxloop.realtime.config import DEFAULT_MODEL, RunConfig
from voxloop.realtime.machine.guards import input_guardrails
from voxloop.realtime.machine.settings import payload
from voxloop.realtime.skin.work import check_agent
from voxloop.tools import RunContext

_CONFLICT = 409
_NOT_FOUND = 404
_OPTIONS = HttpOptions(total_timeout=30.0)


class Calls:
    """Answers calls of one account.

    Args:
        api_key: The key, or a function that gives one; else the usual sources.
        base_url: With its path prefix; default OpenAI's own.
        headers: Added to every request.

    Example::

        calls = realtime.Calls()
        await calls.accept(call_id, agent)
        here = realtime.ModelConfig(call_id=call_id)
        async with realtime.open_session(agent, model_config=here) as session: ...
    """

    def __init__(
        self,
        api_key: ApiKey | None = None,
        *,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._endpoint = Endpoint.resolve(
            api_key=api_key, base_url=base_url, organization=None, project=None, headers=headers
        )

    async def accept(
        self,
        call_id: str,
        agent: Agent,
        *,
        config: RunConfig | None = None,
        model: str | None = None,
        context: object = None,
    ) -> None:
        """Answer a call. A webhook that is told twice may do so twice: the second changes nothing.

        Args:
            call_id: From the webhook.
            agent: Who answers; its instructions, tools and handoffs are told with the answer.
            config: The settings; audio formats are left to the telephone.
            model: Default that of the agent, else ``gpt-realtime``.
            context: Given to the agent's callables.

        Raises:
            CallNotFound: It has ended.
            ConfigError: The agent cannot be used.
            VoxloopError: The server refused, or was not reached.

        **Cancellation:** the request is given up; it may have been carried out.
        """
        run = config or RunConfig()
        resolved = await resolve(agent, RunContext(context))
        check_agent(resolved, run.model_settings)
        body = payload(
            run.model_settings,
            instructions=resolved.instructions,
            tools=resolved.schemas,
            voice=agent.voice,
            attached=True,
            gated=bool(input_guardrails(run, agent)),
            prompt=resolved.prompt,
            tool_choice=wire_choice(agent.tool_choice),
            parallel_tool_calls=agent.parallel_tool_calls,
        )
        body["model"] = model or agent.model or DEFAULT_MODEL
        await self._post(call_id, "accept", body, fine=(_CONFLICT,))

    async def reject(self, call_id: str, *, status_code: int = 603) -> None:
        """Turn a call down.

        Args:
            call_id: From the webhook.
            status_code: SIP status that the caller is told, 400 to 699; 603 declines, 486 is busy.

        Raises:
            CallNotFound: It has ended.
            ConfigError: This is no status of a refusal.
            VoxloopError: The server refused, or was not reached.

        **Cancellation:** as with `accept`.
        """
        if not 400 <= status_code <= 699:
            raise ConfigError(f"status_code is {status_code}; give a SIP status from 400 to 699")
        await self._post(call_id, "reject", {"status_code": status_code})

    async def refer(self, call_id: str, target_uri: str) -> None:
        """Pass a call on.

        Args:
            call_id: The call.
            target_uri: Where to: ``tel:+14155550123`` or ``sip:agent@example.com``.

        Raises:
            CallNotFound: It has ended.
            ConfigError: This is no such address.
            VoxloopError: The server refused, or was not reached.

        **Cancellation:** as with `accept`.
        """
        if not target_uri.startswith(("tel:", "sip:", "sips:")):
            raise ConfigError(f"target_uri is {target_uri!r}; give a tel: or sip: address")
        await self._post(call_id, "refer", {"target_uri": target_uri})

    async def hangup(self, call_id: str) -> None:
        """End a call; one that has ended already stays so.

        Raises:
            VoxloopError: The server refused, or was not reached.

        **Cancellation:** as with `accept`.
        """
        await self._post(call_id, "hangup", None, fine=(_NOT_FOUND, _CONFLICT))

    async def _post(
        self, call_id: str, verb: str, body: object, *, fine: tuple[int, ...] = ()
    ) -> None:
        if not call_id:
            raise ConfigError("a call has an id; the webhook tells it")
        key = await self._endpoint.key()
        url = self._endpoint.url(f"/realtime/calls/{quote(call_id, safe='')}/{verb}")
        async with net.request(
            "POST", url, headers=self._endpoint.headers(key), json=body, options=_OPTIONS
        ) as response:
            status = response.status
            if status < 300 or status in fine:
                return
            text = await response.read(limit=1024 * 1024)
            headers = dict(response.headers)
        if status == _NOT_FOUND:
            raise CallNotFound(f"there is no call {call_id!r}, or it has ended", status=status)
        raise error_from_response(status, headers, text, doing=f"call {verb}", key=key)
