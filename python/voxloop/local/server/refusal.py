"""A request that is refused, told in the API's own error shape."""

from __future__ import annotations

from voxloop.providers import JsonObject

__all__ = ["Refusal"]


class Refusal(Exception):
    """Carries the fields of an API error object to the edge of the server; it never leaves it.

    Attributes:
        message: What came, what was wanted and what to do.
        code: Stable text for programs.
        param: The field at fault, dotted.
        type: The API's error type.
        status: HTTP status where the request came over HTTP.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid_value",
        param: str | None = None,
        type: str = "invalid_request_error",
        status: int = 400,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.type = type
        self.status = status

    def body(self) -> JsonObject:
        """The JSON body of an HTTP answer."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }
