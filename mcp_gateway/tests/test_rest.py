"""REST: the routes of capabilities."""

from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mcp_gateway.call import Call
from mcp_gateway.capability import capability
from mcp_gateway.tests.conftest import Web
from mcp_gateway.tests.small_gateway import SECRET, Item, ItemParams

pytestmark = pytest.mark.anyio


async def test_a_query_is_read_as_the_schema_has_it(web: Web) -> None:
    query = "query=dune&limit=5&exact=true&genres=drama&genres=war&region.code=DE&region.year_from=1984"
    response = await web.http.get(f"/api/v1/search?{query}")

    assert response.status_code == 200
    assert response.json()["asked"] == {
        "query": "dune",
        "genres": ["drama", "war"],
        "limit": 5,
        "exact": True,
        "region": {"code": "DE", "year_from": 1984},
    }


async def test_a_list_has_links_in_its_body_and_as_a_header(web: Web) -> None:
    response = await web.http.get("/api/v1/search?query=d%C3%BCne")

    links = response.json()["links"]
    assert links["next"] == "/api/v1/search?query=d%C3%BCne&cursor=c2"
    assert f'<{links["next"]}>; rel="next"' in response.headers["link"]


async def test_a_path_variable_is_a_parameter(web: Web) -> None:
    assert (await web.http.get("/api/v1/items/2")).json() == {"id": "2", "name": "Item 2"}
    settled = await web.http.post("/api/v1/items/2/settle", json={"outcome": "won"})
    assert settled.json() == {"id": "2", "name": "won"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "told"),
    [
        ("GET", "/api/v1/search", {}, 400, "query: is required"),
        ("GET", "/api/v1/search?query=a&limit=x", {}, 400, "limit: must be of type integer"),
        ("GET", "/api/v1/search?query=a&lmit=1", {}, 400, "did you mean 'limit'"),
        ("GET", "/api/v1/items/9", {}, 404, "Nearest: 1"),
        ("POST", "/api/v1/echo", {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "JSON"),
        ("POST", "/api/v1/echo", {"json": [1]}, 400, "object"),
        ("POST", "/api/v1/echo", {"content": b"text=a", "headers": {"content-type": "text/plain"}}, 415, "json"),
        ("POST", "/api/v1/items/2/settle", {"json": {"id": "3", "outcome": "x"}}, 400, "differs"),
        ("DELETE", "/api/v1/echo", {}, 405, "Method Not Allowed"),
        ("POST", "/api/v1/echo", {"json": {"text": "x" * 5_000_000}}, 413, "bytes"),
    ],
)
async def test_what_is_wrong_is_a_problem_document(
    web: Web, method: str, path: str, options: Any, status: int, told: str
) -> None:
    """RFC 9457."""
    response = await web.http.request(method, path, **options)

    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert told in response.json()["detail"]
    assert response.json()["status"] == status


async def test_an_accident_gives_away_nothing(web: Web) -> None:
    response = await web.http.get("/api/v1/crash")

    assert response.status_code == 500
    assert SECRET not in response.text
    assert response.json()["reason"] == "internal"


async def test_routes_follow_what_is_registered(web: Web) -> None:
    async def late(params: ItemParams, call: Call) -> Item:
        """A later route."""
        return Item(id=params.id, name="late")

    async def page(request: Any) -> PlainTextResponse:
        return PlainTextResponse("a page")

    assert (await web.http.get("/api/v1/late/1")).status_code == 404
    web.gateway.registry.add("later", [capability("late", late, rest="GET /api/v1/late/{id}"), Route("/page", page)])
    found = await web.http.get("/api/v1/late/1")
    plain = await web.http.get("/page")
    web.gateway.registry.remove("later")

    assert (found.json(), plain.text) == ({"id": "1", "name": "late"}, "a page")
    assert (await web.http.get("/api/v1/late/1")).status_code == 404


async def test_the_routes_are_described(web: Web) -> None:
    """OpenAPI 3.1."""
    document = (await web.http.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1.")
    search = document["paths"]["/api/v1/search"]["get"]
    names = {parameter["name"]: parameter for parameter in search["parameters"]}
    assert names["region.year_from"]["in"] == "query"
    assert names["query"]["required"] is True
    assert search["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["has_more"]
    settle = document["paths"]["/api/v1/items/{id}/settle"]["post"]
    assert settle["parameters"][0] == {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    assert list(settle["requestBody"]["content"]["application/json"]["schema"]["properties"]) == ["outcome"]
