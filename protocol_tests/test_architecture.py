"""The import rules of docs/architecture.md, and the shape of the code."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Read like a text: a module may import only what stands before it, or beside it in its own package.
ORDER = [
    "errors",
    "clock",
    "settings",
    "config",
    "lean_imports",
    "stdout_guard",
    "elsewhere",
    "content",
    "json_schema",
    "arguments",
    "pagination",
    "catalog.models",
    "catalog.events",
    "storage",
    "cache",
    "background",
    "bus",
    "cluster",
    "observability",
    "shutdown",
    "catalog",
    "call",
    "capability",
    "skills",
    "services",
    "hookspecs",
    "interfaces",
    "api",
    "limits",
    "audit",
    "contributions",
    "registry",
    "plugin_discovery",
    "plugin_manager",
    "builtin",
    "protocol",
    "transports",
    "gateway",
    "cli",
    "main",
    "testing",
]


DRIVERS = {
    "asyncpg": ("mcp_gateway/storage/",),
    "sqlite3": ("mcp_gateway/storage/",),
    "aiosqlite": ("mcp_gateway/storage/",),
    "redis": ("mcp_gateway/cache/", "mcp_gateway/bus/", "plugins/mcp_gateway_auth/families/redis.py"),
    "aiokafka": ("mcp_gateway/bus/",),
}

# Longer than 400 lines, with the reason.
LONG_MODULES: dict[str, str] = {}

# Start a task that no task group waits for, with the reason.
PARENTLESS = {"mcp_gateway/background.py": "nothing in anyio can leave behind a job that ignores cancellation"}


def code_files() -> list[Path]:
    """Every module of the core and the built-in plugins, tests aside."""
    found = [*(ROOT / "mcp_gateway").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    return sorted(path for path in found if "tests" not in path.parts)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports_of(path: Path) -> Iterator[str]:
    """Absolute names of all that a module imports, wherever in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rank(module: str) -> int | None:
    """Where a module of the core stands in the order; None for the package itself."""
    name = module.removeprefix("mcp_gateway").removeprefix(".")
    while name:
        if name in ORDER:
            return ORDER.index(name)
        name = name.rpartition(".")[0]
    return None


CORE = [path for path in code_files() if path.parts[len(ROOT.parts)] == "mcp_gateway"]
PLUGINS = [path for path in code_files() if path.parts[len(ROOT.parts)] == "plugins"]


@pytest.mark.parametrize("path", CORE, ids=shown)
def test_a_core_module_imports_only_what_stands_before_it(path: Path) -> None:
    module = shown(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    own = rank(module)
    if own is None:
        assert module == "mcp_gateway", f"{module} has no place in the order"
        return
    for imported in imports_of(path):
        if imported.startswith("mcp_gateway."):
            other = rank(imported)
            assert other is None or other <= own, f"{module} imports {imported}, which stands after it"
        assert not imported.startswith("mcp_gateway_"), f"{module} imports the plugin {imported}"


@pytest.mark.parametrize("path", PLUGINS, ids=shown)
def test_a_plugin_imports_only_the_public_api(path: Path) -> None:
    allowed = ("mcp_gateway.api", "mcp_gateway.catalog", "mcp_gateway.testing")
    for imported in imports_of(path):
        if imported.split(".")[0] == "mcp_gateway":
            assert imported == "mcp_gateway" or imported.startswith(allowed), f"{shown(path)} imports {imported}"
        assert not imported.startswith("mcp_gateway_"), f"{shown(path)} must import its siblings relatively"
        assert imported.split(".")[0] != "mcp", f"{shown(path)} imports the SDK"


@pytest.mark.parametrize("path", code_files(), ids=shown)
def test_only_driver_modules_import_drivers(path: Path) -> None:
    for imported in imports_of(path):
        homes = DRIVERS.get(imported.split(".")[0])
        assert homes is None or shown(path).startswith(homes), f"{shown(path)} imports {imported}"


@pytest.mark.parametrize("path", code_files(), ids=shown)
def test_only_config_reads_the_environment(path: Path) -> None:
    if path.name == "config.py" and path.parent.name == "mcp_gateway":
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
            assert not (isinstance(node.value, ast.Name) and node.value.id == "os"), f"{shown(path)}:{node.lineno}"


@pytest.mark.parametrize("path", code_files(), ids=shown)
def test_no_code_starts_tasks_without_a_parent(path: Path) -> None:
    if shown(path) in PARENTLESS:
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and node.attr in {"create_task", "ensure_future"}:
            pytest.fail(f"{shown(path)}:{node.lineno} uses {node.attr}")


@pytest.mark.parametrize("path", code_files(), ids=shown)
def test_no_module_is_long_without_a_reason(path: Path) -> None:
    lines = path.read_text("utf-8").count("\n")
    assert lines <= 400 or shown(path) in LONG_MODULES, f"{shown(path)} has {lines} lines: look for the second subject"


@pytest.mark.parametrize("path", code_files(), ids=shown)
def test_every_public_name_has_a_docstring(path: Path) -> None:
    tree = tree_of(path)
    missing = [] if ast.get_docstring(tree) else ["module"]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            missing += _without_docstring(node, "")
    assert not missing, f"{shown(path)}: {missing}"


def test_the_median_function_has_at_most_ten_lines() -> None:
    lengths = [
        node.end_lineno - node.lineno + 1
        for path in code_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]

    assert statistics.median(lengths) <= 10
    assert sum(length > 50 for length in lengths) / len(lengths) < 0.03


def _without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, owner: str) -> list[str]:
    if node.name.startswith("_") or any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list):
        return []
    name = f"{owner}{node.name}"
    missing = [] if ast.get_docstring(node) else [name]
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                missing += _without_docstring(inner, f"{name}.")
    return missing
