"""Tools: functions with a JSON schema that a model may call."""

from __future__ import annotations

from voxloop.tools.context import RunContext
from voxloop.tools.output import to_text
from voxloop.tools.run import ToolOutcome, run_tool, unknown_tool
from voxloop.tools.schema import JsonObject
from voxloop.tools.tool import Handler, Tool, tool

__all__ = [
    "Handler",
    "JsonObject",
    "RunContext",
    "Tool",
    "ToolOutcome",
    "run_tool",
    "to_text",
    "tool",
    "unknown_tool",
]
