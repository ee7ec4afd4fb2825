"""A chat template that prints the date, and days on which it is asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from listeval.models import renderer as renderers

DATED = "{{ strftime_now('%d %B %Y') }}\n{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
FIRST = datetime(2026, 3, 1, 9, 30).astimezone()


def set_day(monkeypatch, days):
    """It is so many days after the first."""

    class Then(datetime):
        @classmethod
        def now(cls, tz=None):
            return FIRST + timedelta(days=days)

    monkeypatch.setattr(renderers, "datetime", Then)
