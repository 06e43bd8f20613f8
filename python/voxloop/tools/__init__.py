"""Tools: functions with a JSON schema that a model may call, and what watches over them."""

from __future__ import annotations

from voxloop.tools.approval import Approvals, Decision, NeedsApproval, approval_needed
from voxloop.tools.context import RunContext
from voxloop.tools.enabled import Enabled, is_enabled
from voxloop.tools.failure import FailureFormatter, FailureKind, ToolFailure, format_failure
from voxloop.tools.files import FileSearch, LocalFileSearch
from voxloop.tools.guardrail import (
    Behavior,
    Guardrail,
    GuardrailCheck,
    GuardrailFunction,
    GuardrailResult,
    Stage,
    ToolInputGuardrail,
    ToolOutputGuardrail,
    Verdict,
    run_guardrails,
    tool_input_guardrail,
    tool_output_guardrail,
)
from voxloop.tools.output import to_text
from voxloop.tools.parts import ToolContent, ToolFile, ToolImage, ToolPart, ToolText
from voxloop.tools.run import ToolOutcome, ToolStatus, run_tool, unknown_tool
from voxloop.tools.schema import JsonObject
from voxloop.tools.tool import (
    Handler,
    OnCancel,
    OnFailure,
    OnInterrupt,
    Respond,
    Tool,
    ToolSettings,
    tool,
)

__all__ = [
    "Approvals",
    "Behavior",
    "Decision",
    "Enabled",
    "FailureFormatter",
    "FailureKind",
    "FileSearch",
    "Guardrail",
    "GuardrailCheck",
    "GuardrailFunction",
    "GuardrailResult",
    "Handler",
    "JsonObject",
    "LocalFileSearch",
    "NeedsApproval",
    "OnCancel",
    "OnFailure",
    "OnInterrupt",
    "Respond",
    "RunContext",
    "Stage",
    "Tool",
    "ToolContent",
    "ToolFailure",
    "ToolFile",
    "ToolImage",
    "ToolInputGuardrail",
    "ToolOutcome",
    "ToolOutputGuardrail",
    "ToolPart",
    "ToolSettings",
    "ToolStatus",
    "ToolText",
    "Verdict",
    "approval_needed",
    "format_failure",
    "is_enabled",
    "run_guardrails",
    "run_tool",
    "to_text",
    "tool",
    "tool_input_guardrail",
    "tool_output_guardrail",
    "unknown_tool",
]
