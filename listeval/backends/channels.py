"""Reasoning and answer kept apart: the think block that some models write before they answer.

Covered: one `<think>...</think>` block before the answer, opened in the text or by the end
of the prompt (templates of reasoning models do that). Not covered: tags inside an answer;
only a tag that opens the text counts as opening, but the last closing tag always decides.
"""

OPEN, CLOSE = "<think>", "</think>"


def split_channels(text: str, prompt: str = "") -> tuple[str | None, str]:
    """`(reasoning, answer)` of a raw completion; reasoning is None where there is no block.

    A block that never closes makes everything reasoning and the answer empty: the token
    budget went into thinking, and what looks like an answer inside it is none.
    `prompt` is the rendered text that `text` continues.
    """
    if CLOSE in text:
        reasoning, _, answer = text.rpartition(CLOSE)
        return _without_opening(reasoning), answer.lstrip()
    if prompt.rstrip().endswith(OPEN) or text.lstrip().startswith(OPEN):
        return _without_opening(text), ""
    return None, text


def _without_opening(reasoning: str) -> str:
    return reasoning.strip().removeprefix(OPEN).strip()
