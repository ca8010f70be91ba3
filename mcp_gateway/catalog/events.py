"""Facts about the catalogue that other plugins and other systems hear of."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcp_gateway.catalog.models import Kind, TitleId


class Event(BaseModel):
    """A fact that happened. Subclasses set `event_type`, the CloudEvents type, `subject` and `event_id`.

    Unknown fields are ignored on reading, so that an older instance understands a newer one's events.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    event_type: ClassVar[str]

    @property
    def subject(self) -> str:
        """What the fact is about; events of one subject keep their order."""
        raise NotImplementedError(f"{type(self).__name__} says no subject")

    def event_id(self) -> str:
        """Identifies the fact, by its fields alone: whoever sees it twice sees the same id."""
        raise NotImplementedError(f"{type(self).__name__} says no id")


class TitleChanged(Event):
    """A title came into the catalogue, or what it says of itself changed."""

    event_type: ClassVar[str] = "media.title.changed"

    title_id: TitleId = Field(description="The title.")
    kind: Kind = Field(description="Its kind.")
    change: Literal["created", "updated"] = Field(description="What happened.")
    revision: int = Field(description="The catalogue's revision that holds the change.")

    @property
    def subject(self) -> str:
        """The title's id."""
        return self.title_id

    def event_id(self) -> str:
        """One per title and revision."""
        return f"{self.title_id}:{self.revision}"
