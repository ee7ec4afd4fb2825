"""Judges to stand in for a model: rules of the fake server, and data for them to grade."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.backends.fake_server import Call, FakeServer, Reply, chat

CRITERIA = ("specifics", "experience", "balance", "focus")


def reviews(path: Path, products: int = 3, count: int = 4, **fields: Any) -> Path:
    """Review groups whose texts say how good they are: `quality 7`. Votes follow the quality."""
    with path.open("w") as file:
        for p in range(products):
            rows = [
                {"id": f"R{p}{n}", "text": f"Review {n} of hat {p}, quality {(3 * n + p) % 11}.", "votes": n}
                for n in range(count)
            ]
            file.write(json.dumps({"product": f"P{p}", "title": f"Hat {p}", "reviews": rows, **fields}) + "\n")
    return path


def text(call: Call) -> str:
    """The review that a judge was asked about."""
    found = re.search(r"<review>\n(.*)\n</review>", call.body["messages"][-1]["content"], re.DOTALL)
    assert found
    return found[1]


def grades(quality: int, **changed: Any) -> str:
    """An answer that keeps the contract, but for what is changed."""
    return json.dumps({**dict.fromkeys((*CRITERIA, "grade"), quality), **changed})


def good(call: Call) -> Reply:
    """Grades by what the text says of itself."""
    found = re.search(r"quality (\d+)", text(call))
    return Reply(chat(grades(int(found[1]) if found else 5)))


def prose(call: Call) -> Reply:
    """Never answers in JSON."""
    return Reply(chat("A thoughtful review; I would call it rather helpful."))


def first(reply: Callable[[Call], Reply], times: int = 1) -> Callable[[Call], Reply]:
    """`reply` to the first requests about each text, whatever their form; then a good grade."""
    seen: Counter[str] = Counter()

    def rule(call: Call) -> Reply:
        seen[text(call)] += 1
        return reply(call) if seen[text(call)] <= times else good(call)

    return rule


def asked(server: FakeServer) -> Counter[str]:
    """How often each text was asked about."""
    return Counter(text(call) for call in server.calls)
