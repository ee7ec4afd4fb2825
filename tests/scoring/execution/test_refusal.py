"""Where nothing can isolate: a refusal with the reason and the fix, and no process started."""

from __future__ import annotations

import builtins
import sys

import pytest

from listeval.errors import UserError
from listeval.scoring.execution import Sandbox, isolation, sandbox, worker
from listeval.scoring.execution.isolation import Launch


def test_not_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserError, match="needs Linux namespaces, and this is darwin"):
        Sandbox()


def test_no_pyseccomp(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "pyseccomp":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"listeval\[sandbox\]"):
        Sandbox()


def test_no_libseccomp(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "pyseccomp":
            raise RuntimeError("Unable to find libseccomp")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"Unable to find libseccomp.*apt-get install libseccomp2"):
        Sandbox()


def test_bubblewrap_asked_for_and_absent(monkeypatch):
    pytest.importorskip("pyseccomp")
    monkeypatch.setattr(isolation.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"bwrap.*not installed.*apt-get install bubblewrap"):
        Sandbox(isolation="bubblewrap")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs unshare(2)")
def test_the_step_that_failed_is_named(monkeypatch):
    """No user namespaces: what the kernel says must reach the user. Played by a system call that fails."""
    pytest.importorskip("pyseccomp")
    text = worker._text

    def refusing(name):
        refused = "\ndef unshare(flags):\n    raise PermissionError(1, 'Operation not permitted', 'unshare(0x7)')\n"
        return text(name) + (refused if name == "kernel" else "")

    monkeypatch.setattr(worker, "_text", refusing)
    monkeypatch.setattr(worker, "_modules", worker._modules.__wrapped__)
    with pytest.raises(UserError, match=r"namespaces cannot isolate.*unshare\(0x7\): Operation not permitted.*Fix: "):
        Sandbox(isolation="namespaces")


def test_a_bubblewrap_that_fails_gives_its_own_words(monkeypatch):
    pytest.importorskip("pyseccomp")
    broken = Launch(
        "bubblewrap", ("sh", "-c", "echo 'bwrap: no permissions' >&2; exit 1", "sh"), {"root": None, "covered": []}
    )
    monkeypatch.setattr(sandbox.isolations, "launch", lambda *a: broken)
    with pytest.raises(UserError, match="bubblewrap cannot isolate code here: bwrap: no permissions"):
        Sandbox(isolation="bubblewrap")


def test_namespaces_stand_in_for_a_bubblewrap_that_does_not_work(monkeypatch, any_sandbox):
    real = isolation.launch

    def launch(name, seen):
        if name == "bubblewrap":
            raise UserError("bubblewrap is broken")
        return real(name, seen)

    monkeypatch.setattr(sandbox.isolations, "candidates", lambda wanted: ["bubblewrap", "namespaces"])
    monkeypatch.setattr(sandbox.isolations, "launch", launch)
    try:
        with Sandbox(workers=1) as made:
            assert made.isolation == "namespaces"
    except UserError as error:
        pytest.skip(str(error))
