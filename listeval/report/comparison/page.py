"""A comparison as one HTML page that needs nothing else: no network, no fonts, no scripts from elsewhere.

Model text reaches the page only as JSON that the page's script writes with `textContent`, or through autoescaping; the
page's own policy runs no script but the one whose hash it names and loads nothing.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listeval.errors import UserError
from listeval.report.comparison import charts
from listeval.report.comparison.headline import choice, heads, subject, verdict_title
from listeval.report.comparison.samples import samples
from listeval.report.comparison.sentence import sentence
from listeval.report.comparison.tables import facts, kinds, marked, tables

if TYPE_CHECKING:
    from jinja2 import Environment

    from listeval.comparison import Comparison

_INERT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def write_page(comparison: Comparison, path: Path) -> None:
    """Write the page. Raises UserError where the file cannot be written."""
    try:
        path.write_text(comparison_page(comparison), encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"cannot write the page: {error.strerror}", place=str(path), fix="name another file") from None


def comparison_page(comparison: Comparison) -> str:
    """The page."""
    from markupsafe import Markup

    from listeval import __version__

    folder = templates()
    script = (folder / "comparison.js").read_text(encoding="utf-8")
    shown = samples(comparison)
    environment = page_environment()
    environment.tests["missing"] = math.isnan
    headline, *others = (table for table in tables(comparison) if table.title != kinds(comparison).title)
    return environment.get_template("comparison.html").render(
        title=f"{comparison.base.run.manifest.task.name}: {' / '.join(arm.name for arm in comparison.arms)}",
        version=__version__,
        verdict=comparison.verdict,
        sentence=sentence(comparison.verdict),
        choice=choice(comparison.verdict),
        headline_of=verdict_title(comparison.verdict),
        subject=subject(comparison.verdict),
        heads=heads(comparison.verdict),
        thresholds=comparison.thresholds,
        facts=facts(comparison),
        panels=charts.panels(comparison),
        stacks=charts.stacks(comparison),
        matrices=charts.matrices(comparison),
        present=charts.present(comparison),
        headline=headline,
        others=[table for table in others if not table.title.startswith("What became")],
        kinds=kinds(comparison),
        arms=[marked(comparison, at) for at in range(len(comparison.arms))],
        shown=len(shown),
        total=len(comparison.pairing.keys),
        statistics=comparison.to_json()["statistics"],
        data=Markup(inert_json({"arms": [arm.name for arm in comparison.arms], "samples": shown})),
        style=Markup((folder / "comparison.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
    )


def page_environment() -> Environment:
    """What renders a page: text is escaped, and an undefined name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(templates()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def templates() -> Path:
    """The folder of the page's template, style and script: in the wheel, or in the repository."""
    from listeval.bundled import bundled

    return bundled() / "reports" / "templates"


def inert_json(value: Any) -> str:
    """JSON that no text in it can end, whatever element of HTML it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_INERT)
