"""The think block: whatever is before its end is reasoning."""

from __future__ import annotations

import pytest

from listeval.backends.channels import split_channels


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        ("[1]", "", (None, "[1]")),
        ("<think>a</think>\n\n[1]", "", ("a", "[1]")),
        ("<think>a [0]</think>b</think> [1]", "", ("a [0]</think>b", "[1]")),
        ("\n<think>\nnever closed [1]", "", ("never closed [1]", "")),
        ("a</think>[1]", "<|im_start|>assistant\n<think>\n", ("a", "[1]")),
        ("[1]", "<|im_start|>assistant\n<think>\n", ("[1]", "")),
        ("[1]", "<|im_start|>assistant\n<think>\n\n</think>\n\n", (None, "[1]")),
        ('["<think>"]', "", (None, '["<think>"]')),
        ("<think></think>[1]", "", ("", "[1]")),
        ("", "", (None, "")),
    ],
)
def test_channels(text: str, prompt: str, expected: tuple[str | None, str]) -> None:
    assert split_channels(text, prompt) == expected
