"""The taxonomy is a frozen surface: names, order and definitions that reports and users rely on."""

from listeval.contract import Flag, Kind

KINDS = [
    "ok",
    "engine_error",
    "constraint_ignored",
    "truncated",
    "whitespace_runaway",
    "empty",
    "wrong_channel",
    "refusal",
    "no_json",
    "malformed_json",
    "wrong_type",
    "missing_key",
    "extra_key",
    "bad_value",
    "too_long",
    "duplicate_id",
    "missing_id",
    "unknown_id",
    "position_only",
    "contract_other",
]


def test_kinds_and_their_order_are_frozen():
    assert [kind.value for kind in Kind] == KINDS


def test_flags_are_frozen():
    first = ["fenced", "prose_wrapped", "schema_echo", "key_order", "repaired"]
    assert [flag.value for flag in Flag] == [*first, "json_wrapped", "several", "positions"]


def test_every_kind_has_its_own_meaning():
    assert len({kind.meaning for kind in Kind}) == len(Kind)
    assert len({flag.meaning for flag in Flag}) == len(Flag)
