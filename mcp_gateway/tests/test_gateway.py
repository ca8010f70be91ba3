"""The gateway and its plugins: how they start, fail and stop."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel, ConfigDict

from mcp_gateway import plugin_manager
from mcp_gateway.api import Call, Content, NoParams, Services, Text, capability, hookimpl
from mcp_gateway.config import load
from mcp_gateway.errors import PluginError, SettingsError, StorageError, Unavailable
from mcp_gateway.gateway import Gateway
from mcp_gateway.plugin_discovery import discover
from mcp_gateway.settings import Settings

pytestmark = pytest.mark.anyio


def settings(data_dir: Path, **sections: dict[str, Any]) -> Settings:
    gateway = {"data_dir": data_dir, "startup_seconds": 5, **sections.pop("gateway", {})}
    return load(overrides={"gateway": gateway, **sections}, environ={})


def refuse(why: str) -> None:
    raise ValueError(why)


async def say(params: NoParams, call: Call) -> Content:
    """Say something."""
    return Content([Text("something")])


def plugin(name: str, lifespan: Any, **hooks: Any) -> Any:
    """A plugin of one hook, or more."""
    marked = {hook: hookimpl(function) for hook, function in hooks.items()}
    return SimpleNamespace(NAME=name, lifespan=hookimpl(asynccontextmanager(lifespan)), **marked)


def registers(name: str, *contributions: Any, said: list[str] | None = None) -> Any:
    said = [] if said is None else said

    async def lifespan() -> AsyncIterator[Any]:
        said.append(f"{name} starts")
        yield contributions
        said.append(f"{name} stops")

    return plugin(name, lifespan)


def tools_of(gateway: Gateway) -> list[str]:
    return [registered.capability.name for registered in gateway.registry.tools()]


async def test_plugins_start_in_order_and_stop_last_started_first(tmp_path: Path) -> None:
    said: list[str] = []
    first, second = registers("first", said=said), registers("second", said=said)

    async with Gateway(settings(tmp_path), [first, second]).running():
        assert said == ["first starts", "second starts"]

    assert said[2:] == ["second stops", "first stops"]


async def test_two_gateways_run_side_by_side(tmp_path: Path) -> None:
    one = Gateway(settings(tmp_path / "1"), [registers("a", capability("say_one", say))])
    two = Gateway(settings(tmp_path / "2"), [registers("a", capability("say_two", say))])

    async with one.running(), two.running():
        assert (tools_of(one), tools_of(two)) == (["say_one"], ["say_two"])


async def test_a_plugin_that_fails_at_start_is_set_aside_and_the_rest_runs(tmp_path: Path) -> None:
    async def lifespan() -> AsyncIterator[Any]:
        await anyio.lowlevel.checkpoint()
        refuse("no key")
        yield []

    gateway = Gateway(settings(tmp_path), [plugin("broken", lifespan), registers("good", capability("say_it", say))])
    async with gateway.running():
        health = await gateway.health()
        assert tools_of(gateway) == ["say_it"]
        assert health["status"] == "degraded"
        assert health["plugins"] == [
            {"name": "broken", "origin": "given", "state": "quarantined", "reason": "ValueError; the log says more"},
            {"name": "good", "origin": "given", "state": "running"},
        ]


async def test_a_plugin_that_fails_while_it_runs_is_taken_back(tmp_path: Path) -> None:
    fail = anyio.Event()

    async def lifespan() -> AsyncIterator[Any]:
        async def work() -> None:
            await fail.wait()
            raise RuntimeError("lost my mind")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            yield [capability("say_it", say)]

    gateway = Gateway(settings(tmp_path), [plugin("fragile", lifespan)])
    async with gateway.running():
        assert tools_of(gateway) == ["say_it"]
        fail.set()
        with anyio.fail_after(5):
            await gateway.plugins[0].ended.wait()

        assert tools_of(gateway) == []
        assert gateway.plugins[0].for_operator == "RuntimeError: lost my mind"


async def test_a_plugin_that_does_not_stop_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_manager, "STOP_SECONDS", 0.01)
    said: list[str] = []

    async def lifespan() -> AsyncIterator[Any]:
        yield []
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with Gateway(settings(tmp_path), [registers("good", said=said), plugin("stuck", lifespan)]).running():
            pass
    assert said == ["good starts", "good stops"]


class Switched(BaseModel):
    """Settings of a plugin that can be turned on."""

    enabled: bool = False


async def test_what_is_turned_on_runs_or_nothing_does(tmp_path: Path) -> None:
    async def lifespan() -> AsyncIterator[Any]:
        await anyio.lowlevel.checkpoint()
        refuse("no key")
        yield []

    guard = plugin("guard", lifespan, register_settings=lambda: Switched)
    on: dict[str, Any] = {"plugins": {"guard": {"enabled": True}}}

    with pytest.raises(ExceptionGroup) as caught:
        async with Gateway(settings(tmp_path, **on), [guard]).running():
            pytest.fail("it started")
    assert caught.group_contains(PluginError, match="guard")
    with pytest.raises(SettingsError, match=r"plugins\.guard\.enabled"):
        async with Gateway(settings(tmp_path, gateway={"disabled": ["guard"]}, **on), [guard]).running():
            pytest.fail("it started")
    for said in ({}, {"plugins": {"guard": {"enabled": "false"}}}):  # as an environment variable has it
        off = Gateway(settings(tmp_path, **said), [guard])
        async with off.running():
            assert off.plugins[0].state == "quarantined"


async def test_strict_plugins_stops_the_start(tmp_path: Path) -> None:
    async def lifespan() -> AsyncIterator[Any]:
        await anyio.lowlevel.checkpoint()
        refuse("no key")
        yield []

    gateway = Gateway(settings(tmp_path, gateway={"strict_plugins": True}), [plugin("broken", lifespan)])
    with pytest.raises(ExceptionGroup) as caught:
        async with gateway.running():
            pytest.fail("it started")

    assert caught.group_contains(PluginError, match="plugin 'broken': ValueError: no key")


async def test_a_name_that_is_taken_quarantines_the_second(tmp_path: Path) -> None:
    gateway = Gateway(settings(tmp_path), [registers("same"), registers("same")])
    async with gateway.running():
        assert [p.state for p in gateway.plugins] == ["running", "quarantined"]


async def test_a_disabled_plugin_is_not_even_imported(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "bad.py").write_text("raise RuntimeError('imported')")

    names = ["bad", *(plugin.name for plugin in discover(None))]

    gateway = Gateway(settings(tmp_path, gateway={"disabled": names, "plugins_dir": tmp_path / "plugins"}))
    async with gateway.running():
        assert {p.name: p.state for p in gateway.plugins} == dict.fromkeys(names, "disabled")


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"gateway": {"disabled": ["goood"]}}, "disabled: there is no plugin 'goood'; did you mean 'good'?"),
        ({"plugins": {"goood": {"x": 1}}}, "plugins: there is no plugin 'goood'; did you mean 'good'?"),
    ],
)
async def test_settings_of_a_plugin_that_is_not_there_stop_the_start(
    tmp_path: Path, sections: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        async with Gateway(settings(tmp_path, **sections), [registers("good")]).running():
            pytest.fail("it started")

    assert told in str(caught.value)


class Limits(BaseModel):
    """Settings of a plugin."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    limit: int = 3


async def test_a_plugin_gets_its_settings_and_its_services(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    async def lifespan(services: Services, settings: Limits) -> AsyncIterator[Any]:
        await services.cache.set("key", b"value", ttl_seconds=60)
        seen.update(limit=settings.limit, value=await services.cache.get("key"), folder=services.data_dir)
        yield []

    mine = plugin("mine", lifespan, register_settings=lambda: Limits)
    async with Gateway(settings(tmp_path, plugins={"mine": {"limit": "7"}}), [mine]).running() as gateway:
        assert seen == {"limit": 7, "value": b"value", "folder": tmp_path / "mine"}
        assert await gateway.cache.get("mine:key") == b"value"


async def test_wrong_settings_of_a_plugin_quarantine_it(tmp_path: Path) -> None:
    async def lifespan() -> AsyncIterator[Any]:
        yield []

    mine = plugin("mine", lifespan, register_settings=lambda: Limits)
    gateway = Gateway(settings(tmp_path, plugins={"mine": {"limti": 7}}), [mine])
    async with gateway.running():
        assert gateway.plugins[0].reason == "plugins.mine.limti: unknown setting; did you mean 'limit'?"


class Greeter:
    """A service that one plugin lends to others."""


async def test_settings_of_a_plugin_that_has_none_quarantine_it(tmp_path: Path) -> None:
    gateway = Gateway(settings(tmp_path, plugins={"good": {"limit": 7}}), [registers("good")])
    async with gateway.running():
        assert gateway.plugins[0].reason == "plugins.good.limit: unknown setting."


async def test_a_reason_names_no_file(tmp_path: Path) -> None:
    async def lifespan() -> AsyncIterator[Any]:
        (tmp_path / "secret").read_text()
        yield []

    async with Gateway(settings(tmp_path), [plugin("curious", lifespan)]).running() as gateway:
        assert gateway.plugins[0].reason == "FileNotFoundError; the log says more"


async def test_tests_beside_plugins_are_not_taken_for_plugins(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    for name in ("test_mine.py", "conftest.py", "_shared.py"):
        (tmp_path / "plugins" / name).write_text("raise RuntimeError('imported')")

    assert [p.name for p in discover(tmp_path / "plugins") if p.origin == "the plugins folder"] == []


async def test_a_service_is_lent_and_withdrawn(tmp_path: Path) -> None:
    async def lends(services: Services) -> AsyncIterator[Any]:
        services.provide(Greeter, Greeter())
        yield []

    async def takes(services: Services) -> AsyncIterator[Any]:
        assert isinstance(services.get(Greeter), Greeter)
        yield []

    gateway = Gateway(settings(tmp_path), [plugin("lender", lends), plugin("taker", takes)])
    async with gateway.running():
        assert [p.state for p in gateway.plugins] == ["running", "running"]
        assert isinstance(gateway.provided(Greeter), Greeter)

    with pytest.raises(Unavailable):
        gateway.provided(Greeter)


async def test_a_package_in_the_plugins_folder_imports_its_siblings(tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "neighbours"
    folder.mkdir(parents=True)
    (folder / "names.py").write_text("NAME = 'say_it'\n")
    (folder / "plugin.py").write_text(
        "from contextlib import asynccontextmanager\n"
        "from mcp_gateway.api import Call, Content, NoParams, capability, hookimpl\n"
        "from .names import NAME\n"
        "async def say(params: NoParams, call: Call) -> Content:\n"
        "    'Say.'\n"
        "    return Content([])\n"
        "@hookimpl\n"
        "@asynccontextmanager\n"
        "async def lifespan():\n"
        "    yield [capability(NAME, say)]\n"
    )
    chosen = {"plugins_dir": tmp_path / "plugins", "disabled": [plugin.name for plugin in discover(None)]}

    async with Gateway(settings(tmp_path, gateway=chosen)).running() as gateway:
        assert tools_of(gateway) == ["say_it"]


async def test_a_platform_key_is_registered_once(tmp_path: Path) -> None:
    async def lifespan(services: Services) -> AsyncIterator[Any]:
        assert list(services.platforms) == ["cinema"]
        yield []

    normalizer = SimpleNamespace(key="cinema")
    one = plugin("one", lifespan, register_platforms=lambda: [normalizer])
    two = plugin("two", lifespan, register_platforms=lambda: [normalizer])
    gateway = Gateway(settings(tmp_path), [one, two])
    async with gateway.running():
        assert [p.state for p in gateway.plugins] == ["running", "quarantined"]
        assert gateway.plugins[1].reason == "the platform 'cinema' is registered already"


@pytest.mark.parametrize("platforms_of_all", [True, False])
async def test_of_plugins_that_are_not_to_start_the_platforms_are_there_if_wanted(
    tmp_path: Path, *, platforms_of_all: bool
) -> None:
    said: list[str] = []
    lent: list[str] = []

    async def reads(services: Services) -> AsyncIterator[Any]:
        lent.extend(services.platforms)
        yield ()

    async def lifespan() -> AsyncIterator[Any]:
        said.append("started")
        yield ()

    normalizer = SimpleNamespace(key="tubi", name="Tubi")
    other = plugin("other", lifespan, register_platforms=lambda: [normalizer])
    gateway = Gateway(
        settings(tmp_path), [other, plugin("reader", reads)], only={"reader"}, platforms_of_all=platforms_of_all
    )
    async with gateway.running():
        states = {each.name: each.state for each in gateway.plugins}

    assert (lent, said) == (["tubi"] if platforms_of_all else [], [])
    assert states == {"other": "disabled", "reader": "running"}


async def test_the_gateway_tells_of_its_plugins_and_health_as_resources(tmp_path: Path) -> None:
    async with Gateway(settings(tmp_path), [registers("good")]).running() as gateway:
        answers = {}
        for uri in ("gateway://plugins", "gateway://health"):
            registered, arguments = gateway.registry.resource_for(uri)
            answers[uri] = (await gateway.registry.invoke(registered, arguments, Call())).value

    assert answers["gateway://plugins"] == {"plugins": [{"name": "good", "origin": "given", "state": "running"}]}
    health = answers["gateway://health"]
    assert health is not None
    assert health["status"] == "ok", json.dumps(health)


async def test_every_schema_of_the_built_in_plugins_can_be_made_and_compiled(tmp_path: Path) -> None:
    """They are not looked at before their first use."""
    async with Gateway(settings(tmp_path, gateway={"strict_plugins": True})).running() as gateway:
        registered = gateway.registry.capabilities()

        assert any(each.capability.is_deferred for each in registered)
        for each in registered:
            assert each.input.is_valid({}) or each.capability.input_schema["required"]
            assert (each.output is None) == (each.capability.result is None)


async def test_instructions_name_only_tools_that_are_offered(tmp_path: Path) -> None:
    async with Gateway(settings(tmp_path), [registers("x", capability("search_titles", say))]).running() as gateway:
        assert "search_titles" in gateway.instructions
        assert "resolve_title" not in gateway.instructions
        assert len(gateway.instructions) <= 2048


async def test_a_data_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="the data folder cannot be created"):
        async with Gateway(settings(tmp_path / "file" / "inside"), []).running():
            pytest.fail("it started")


async def test_draining_shows_in_health(tmp_path: Path) -> None:
    async with Gateway(settings(tmp_path), []).running() as gateway:
        gateway.shutdown.begin()

        assert (await gateway.health())["status"] == "draining"
