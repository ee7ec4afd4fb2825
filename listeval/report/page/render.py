"""A page that needs nothing else: no network, no fonts, no scripts or styles from elsewhere.

What somebody else wrote reaches a page only through autoescaping, with everything made visible that hides or turns
text around, or as JSON that the page's own script writes as text. The page's policy names the hash of the one script
and the one style that it has, and loads nothing.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError
from listeval.visible import visible

if TYPE_CHECKING:
    from jinja2 import Environment

_INERT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_SCRIPTS = (
    "text.js", "values.js", "words.js", "unpack.js", "filters.js", "answers.js", "download.js", "keys.js", "browser.js",
)  # fmt: skip
"""Parts of the sample browser, what stands on nothing first."""


def render_page(template: str, **values: Any) -> str:
    """The page of `template`, with style, script and the policy that admits them and nothing else."""
    from markupsafe import Markup

    from listeval import __version__

    style = "\n" + _text("page.css")
    script = '"use strict";(() => {\n' + "".join(map(_text, _SCRIPTS)) + "})();\n"
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    return (
        page_environment()
        .get_template(template)
        .render(version=__version__, style=Markup(style), script=Markup(script), policy=Markup(policy), **values)
    )


def write_text(page: str, path: Path) -> None:
    """Write a page. Raises UserError where the file cannot be written."""
    try:
        path.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"cannot write the page: {error.strerror}", place=str(path), fix="name another file") from None


def page_environment() -> Environment:
    """What renders a page: text is made visible and escaped, and an undefined name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.tests["missing"] = math.isnan
    return environment


def templates() -> Path:
    """The folder of templates, style and scripts: in the wheel, or in the repository."""
    from listeval.bundled import bundled

    return bundled() / "reports" / "templates"


def inert_json(value: Any) -> str:
    """JSON that no text in it can end, whatever element of HTML it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_INERT)


def _finalize(value: Any) -> Any:
    """Markup is ours, and stays; other text shows what a browser would obey."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _text(name: str) -> str:
    return (templates() / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
