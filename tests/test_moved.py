"""What outside code imported before modules moved can still be imported, and says where it is now."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from listeval.moved import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_path_gives_what_the_new_one_has(old, new, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"'{old}' is now '{new}'"):
        module = import_module(old)
    home = import_module(new)
    names = [name for name in vars(home) if not name.startswith("_")]
    assert names and all(getattr(module, name) is getattr(home, name) for name in names)


def test_what_never_was_is_still_missing():
    with pytest.raises(ModuleNotFoundError, match=r"listeval\.nonsense"):
        import_module("listeval.nonsense")
