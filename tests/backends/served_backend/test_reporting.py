"""An engine of vLLM's reports nothing to its makers, unless the user wants it to."""

from __future__ import annotations

import os

import pytest

from listeval.backends.vllm.quiet import opened_log


@pytest.mark.parametrize(("said", "kept"), [(None, "1"), ("0", "0"), ("1", "1")])
def test_an_engine_is_opened_with_what_the_user_said_or_in_silence(
    monkeypatch: pytest.MonkeyPatch, said: str | None, kept: str
) -> None:
    monkeypatch.setattr(os, "environ", {} if said is None else {"VLLM_NO_USAGE_STATS": said})
    opened_log().close()
    assert os.environ["VLLM_NO_USAGE_STATS"] == kept
