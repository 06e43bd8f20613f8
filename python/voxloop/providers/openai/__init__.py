"""The OpenAI provider, and servers that speak its protocol."""

from __future__ import annotations

from voxloop.providers.openai.provider import OpenAI

__all__ = ["OpenAI"]
