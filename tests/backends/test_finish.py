"""Finish reasons by their words: known ones in any spelling, and nothing unknown taken for the end of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeval.backends.finish import read_finish

MEANT = {
    "stop": "stop STOP Stop stop_sequence end_turn END_TURN endTurn eos EOS eos_token EOSToken eos_found complete "
    "COMPLETE completed done finished tool_calls function_call tool_use endoftext stop-sequence natural",
    "length": "length LENGTH max_tokens MAX_TOKENS MaxTokens maxTokens max_output_tokens model_length token_limit "
    "length_limit context_length_exceeded model_context_window_exceeded output_limit truncated finish_length "
    "budget_exhausted thinkingBudgetExhausted too_many_tokens context_exhausted",
    "content_filter": "content_filter contentFilter CONTENT_FILTER safety SAFETY IMAGE_SAFETY RECITATION BLOCKLIST "
    "PROHIBITED_CONTENT SPII refusal content_filtered blocked guardrail_intervened policy_violation",
    "error": "error ERROR abort aborted insufficient_system_resource network_error timeout timed_out TimedOut "
    "cancelled canceled server_error MALFORMED_FUNCTION_CALL engine_overloaded stop_failed error_stop "
    "time_limit rate_limit unavailable connection_reset RESOURCE_EXHAUSTED token_quota_exhausted",
    "unknown": "banana OTHER unknown FINISH_REASON_UNSPECIFIED incomplete not_finished pause_turn 42 理由",
    "nothing": "null None nil",
}


@pytest.mark.parametrize(("meaning", "word"), [(m, word) for m, words in MEANT.items() for word in words.split()])
def test_a_word_means_what_it_says(meaning: str, word: str) -> None:
    assert read_finish(word) == meaning
    assert read_finish(f" {word.upper() if word.islower() else word}\n") == meaning


@pytest.mark.parametrize("said", [["stop"], {"type": "stop"}, True, False, 0, 1.5, 10**40])
def test_what_is_no_word_is_unknown(said: object) -> None:
    assert read_finish(said) == "unknown"


def test_none_and_nothing_are_nothing() -> None:
    assert read_finish(None) == read_finish("") == read_finish("  ") == "nothing"


@given(st.text(alphabet="bcghjkqvwxz_- .", min_size=1).filter(str.strip))
def test_a_word_that_nobody_knows_is_never_a_stop(word: str) -> None:
    assert read_finish(word) == "unknown"
