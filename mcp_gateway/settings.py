"""The settings: every section and key, with its default and its bounds. `config.py` gathers their values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator
from pydantic.fields import FieldInfo

LogLevel = Literal["debug", "info", "warning", "error"]


class Section(BaseModel):
    """A table of gateway.toml: unknown keys are refused, values never change after the start."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GatewaySection(Section):
    """What runs, and where it keeps its data."""

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("media-gateway", appauthor=False),
        description="Folder of the embedded database, the indexes and the generated secret.",
    )
    plugins_dir: Path | None = Field(None, description="Folder with more plugins: `name.py` or `name/plugin.py`.")
    disabled: list[str] = Field(default=[], description="Plugins that are not loaded.")
    strict_plugins: bool = Field(False, description="Stop the start when a plugin cannot be loaded or started.")
    profile: str = Field(
        "discovery",
        description="Tools that are offered: `discovery`, `full`, or plugin names separated by commas.",
    )
    startup_seconds: float = Field(30, gt=0, le=600, description="Time a plugin may take to start.")
    call_seconds: float = Field(30, gt=0, le=3600, description="Time a call may take, unless its tool says otherwise.")

    @field_validator("disabled", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_list(value)


class HttpSection(Section):
    """The HTTP server: MCP over HTTP+SSE and streamable HTTP, REST, and health."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8765, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    allowed_hosts: list[str] = Field(
        default=[],
        description="Host header values accepted besides localhost, e.g. `media.example:443` or `media.example`.",
    )
    allowed_origins: list[str] = Field(
        default=[],
        description="Origin header values accepted besides localhost and the gateway's own address, e.g. "
        "`https://app.example`.",
    )
    allow_unauthenticated: bool = Field(
        False,
        description="Listen beyond this machine although nobody has to sign in. Only behind a proxy that does it.",
    )
    max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="Largest request body that is read.")
    max_bodies_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024 * 1024,
        description="What the bodies of all requests that are served may have together; beyond it only small ones are "
        "read.",
    )
    max_header_bytes: int = Field(
        64 * 1024, ge=1024, description="Largest head of a request: address and headers, 32 bytes more for each header."
    )
    header_seconds: float = Field(10, gt=0, le=3600, description="How long the head of a request may take to come.")
    body_seconds: float = Field(60, gt=0, le=3600, description="How long the body of a request may take to come.")
    max_connections: int = Field(
        12_000,
        ge=1,
        description="Open connections, idle ones and streams included. As many file descriptors are asked of the "
        "system; where it grants fewer, those are the limit.",
    )
    max_sessions: int = Field(10_000, ge=1, description="Open MCP sessions of each HTTP transport.")
    session_idle_seconds: float = Field(
        1800, gt=0, description="A streamable HTTP session unused for so long is closed."
    )
    sse_ping_seconds: float = Field(15, gt=0, description="Pause between comment lines that keep an SSE stream open.")

    @property
    def address(self) -> str:
        """The URL it listens at; its port is 0 where a free one is taken."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @field_validator("host")
    @classmethod
    def _can_be_looked_up(cls, value: str) -> str:
        try:
            encoded = value.encode("idna")
        except UnicodeError:
            encoded = b""
        if not encoded or any(character.isspace() for character in value):
            raise ValueError("must be the name or address of a network interface, as 127.0.0.1 is")
        return value

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_list(value)


class McpSection(Section):
    """What one MCP client may do at a time, on every transport."""

    max_message_bytes: int = Field(
        16 * 1024 * 1024, ge=1024, description="Largest message read from standard input; HTTP has `max_body_bytes`."
    )
    max_running: int = Field(256, ge=1, description="Requests of one client that run at a time; more are left unread.")
    max_waiting: int = Field(
        1000, ge=0, description="Requests of one HTTP session beyond `max_running` that wait; more are refused."
    )
    max_waiting_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024 * 1024,
        description="What waits to be read by all clients of SSE together; beyond it only 64 KB may wait for each.",
    )
    ask_seconds: float = Field(
        60, gt=0, le=3600, description="How long a client may take to answer a question: sampling, elicitation, roots."
    )
    ping_seconds: float = Field(
        60, gt=0, description="Pause between pings on an SSE stream; a client that misses two is disconnected."
    )
    slow_reader_seconds: float = Field(
        30, gt=0, description="A client that takes nothing of what it is sent over HTTP for so long is disconnected."
    )
    page_size: int = Field(
        1000, ge=1, description="Tools, resources and prompts per page; some old clients see the first page only."
    )


class LimitsSection(Section):
    """How much one caller may use, on every face."""

    calls_per_minute: int = Field(
        600_000,
        ge=1,
        description="Calls of tools, resources, prompts and completions by one caller, or by one session while nobody "
        "has to sign in. As many may come at once; then they come back at this rate.",
    )
    signed_in_calls_per_minute: int = Field(
        6_000, ge=1, description="The same by one person who signed in, on all devices together."
    )
    tool_calls_per_minute: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={"ingest_titles": 120, "sync_availability": 12},
        description="Calls of one tool, by its name, by one person who signed in.",
    )


class AuditSection(Section):
    """The audit log, `audit.jsonl` in the data folder: who called what, when, and how it ended."""

    callers: Literal["signed_in", "all", "none"] = Field(
        "signed_in", description="Whose calls are noted: those of people who signed in, all, or none."
    )
    max_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="A file of this size is put aside for a new one.")
    files: int = Field(10, ge=1, le=1000, description="Files kept, the newest included.")


class StorageSection(Section):
    """The database that holds the catalogue and everything plugins keep."""

    url: str = Field(
        "",
        description="`sqlite:///path/to/file` or `postgresql://user:password@host/database`. "
        "Empty: `media-gateway.sqlite3` in the data folder.",
    )
    pool_size: int = Field(10, ge=1, le=200, description="Database connections kept open at most.")
    busy_seconds: float = Field(10, gt=0, le=600, description="How long to wait for another writer.")


class CacheSection(Section):
    """The cache."""

    url: str = Field("memory://", description="`memory://` or `redis://host:6379/0`.")
    max_entries: int = Field(50_000, ge=1, description="Entries that the in-memory cache holds at most.")


class EventsSection(Section):
    """The bus that carries events between plugins and instances."""

    url: str = Field(
        "memory://",
        description="`memory://`, `redis://host:6379/0` (`rediss://` with TLS) or "
        "`kafka://host:9092[,host:9092][/topic]` (`kafka+ssl://` with TLS).",
    )
    poll_seconds: float = Field(0.25, gt=0, le=60, description="Pause between looks at the outbox.")
    retention_hours: float = Field(24, gt=0, description="How long delivered events are kept in the outbox.")


class PaginationSection(Section):
    """Cursors of long lists."""

    cursor_secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs cursors; instances that share a database need the same. "
        "Empty: one is generated and kept in the data folder.",
    )
    cursor_previous_secrets: list[SecretStr] = Field(
        default=[], description="Secrets that signed before; their cursors stay good until they expire."
    )
    cursor_hours: float = Field(72, gt=0, description="How long a cursor can be used.")

    @field_validator("cursor_previous_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_list(value)


class LogSection(Section):
    """Logs, which always go to standard error."""

    level: LogLevel = Field("info", description="Least severe level that is written.")
    format: Literal["text", "json"] = Field("text", description="`json` writes one object a line.")


class Settings(Section):
    """All settings. Build them with `load()`, or directly in tests."""

    gateway: GatewaySection = GatewaySection()
    http: HttpSection = HttpSection()
    mcp: McpSection = McpSection()
    limits: LimitsSection = LimitsSection()
    audit: AuditSection = AuditSection()
    storage: StorageSection = StorageSection()
    cache: CacheSection = CacheSection()
    events: EventsSection = EventsSection()
    pagination: PaginationSection = PaginationSection()
    log: LogSection = LogSection()
    plugins: dict[str, dict[str, Any]] = Field(default={}, description="One table per plugin, with its own settings.")

    @property
    def database_url(self) -> str:
        """The URL of the database, the embedded one by default."""
        return self.storage.url or f"sqlite:///{self.gateway.data_dir / 'media-gateway.sqlite3'}"

    def turns_on(self, plugin: str) -> bool:
        """Whether a plugin's table says that it is `enabled`. What is neither yes nor no counts as yes."""
        try:
            return TypeAdapter(bool).validate_python(self.plugins.get(plugin, {}).get("enabled", False))
        except ValidationError:
            return True


def setting_paths() -> Iterator[tuple[str, str]]:
    """Every (section, key) of the core, in the order of the reference."""
    for section, field in Settings.model_fields.items():
        model = section_of(field)
        for key in model.model_fields if model else ():
            yield section, key


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a section; None for a single value."""
    candidates = (field.annotation, *get_args(field.annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _split_list(value: object) -> object:
    """Let a variable say a list as `a, b`."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value
