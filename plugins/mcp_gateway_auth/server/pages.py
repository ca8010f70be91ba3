"""The pages people see: plain HTML without scripts, under a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from .authorization_request import Asked
from .oauth import NO_STORE
from .redirects import csp_source, in_words
from .scopes import SCOPES, grantable
from .store import User

_FOLDER = Path(__file__).parent / "templates"


class Pages:
    """Draws pages."""

    def __init__(self) -> None:
        style = (_FOLDER / "style.css").read_text("utf-8")
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._style_source = f"'sha256-{digest}'"
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.globals["style"] = Markup(style)  # noqa: S704 - our own file

    def sign_in(
        self,
        asked: Asked,
        form_token: str,
        *,
        name: str = "",
        alarm: str = "",
        faults: Mapping[str, str] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """Where a person signs in.

        Args:
            name: As it was typed before.
            alarm: Why they are not signed in yet, where they tried.
            faults: What is wrong, by field.
        """
        shown = {"client": asked.client, "form_token": form_token, "name": name, "alarm": alarm, "faults": faults or {}}
        return self._page("sign_in.html", shown, status, leads_to=asked.back.redirect_uri, headers=headers)

    def consent(self, asked: Asked, form_token: str, user: User) -> HTMLResponse:
        """Where a signed-in person decides."""
        granted = grantable(asked.scopes, is_operator=user.is_operator)
        shown = {
            "client": asked.client,
            "form_token": form_token,
            "user": user,
            "permissions": [words for scope, words in SCOPES.items() if scope in granted],
            "destination": in_words(asked.back.redirect_uri),
            "alarm": "",
        }
        return self._page("consent.html", shown, 200, leads_to=asked.back.redirect_uri)

    def problem(
        self,
        title: str,
        detail: str,
        status: int,
        *,
        link: str = "",
        link_text: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """What went wrong, and where to go from here."""
        shown = {"title": title, "alarm": detail, "link": link, "link_text": link_text}
        return self._page("problem.html", shown, status, headers=headers)

    def _page(
        self,
        template: str,
        shown: Mapping[str, object],
        status: int,
        *,
        leads_to: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        targets = "'none'" if leads_to is None else f"'self' {csp_source(leads_to)}"
        policy = (
            f"default-src 'none'; style-src {self._style_source}; form-action {targets}; frame-ancestors 'none'; "
            "base-uri 'none'"
        )
        protection = {
            **NO_STORE,
            "Content-Security-Policy": policy,
            # With no-referrer browsers would send `Origin: null` with our own forms.
            "Referrer-Policy": "same-origin",
            "X-Frame-Options": "DENY",
        }
        body = self._templates.get_template(template).render(shown)
        return HTMLResponse(body, status, {**protection, **(headers or {})})
