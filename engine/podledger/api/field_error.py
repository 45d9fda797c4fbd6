"""One violation of Kubernetes' validation, in the form the API server reports it (a cause of a 422 Status)."""

from msgspec import Struct

__all__ = ["FieldError"]


class FieldError(Struct, frozen=True):
    """`field` is the path, `reason` the cause's type (FieldValueRequired, ...), `message` its text without the path."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"
