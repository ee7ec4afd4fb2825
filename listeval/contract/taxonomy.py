"""The frozen failure taxonomy: one primary kind an answer, decided in one documented order, and secondary flags.

Kinds are decided stage by stage and the first stage that objects names the answer:
engine, finish reason, channel, JSON, shape, list semantics. In the shape stage of a
list its first faulty object decides. Within the list stage a
list whose ids are all positions is `position_only`; else an input id named twice is
`duplicate_id`; else an id that is not of the input is `unknown_id`, or `position_only`
where every such id is a position; else the absent ids make it `missing_id`.
"""

from enum import StrEnum


class Kind(StrEnum):
    """What became of one answer. Exactly one per sample; a table of them sums to 100 %."""

    OK = "ok"
    ENGINE_ERROR = "engine_error"
    CONSTRAINT_IGNORED = "constraint_ignored"
    TRUNCATED = "truncated"
    WHITESPACE_RUNAWAY = "whitespace_runaway"
    EMPTY = "empty"
    WRONG_CHANNEL = "wrong_channel"
    REFUSAL = "refusal"
    NO_JSON = "no_json"
    MALFORMED_JSON = "malformed_json"
    WRONG_TYPE = "wrong_type"
    MISSING_KEY = "missing_key"
    EXTRA_KEY = "extra_key"
    BAD_VALUE = "bad_value"
    TOO_LONG = "too_long"
    DUPLICATE_ID = "duplicate_id"
    MISSING_ID = "missing_id"
    UNKNOWN_ID = "unknown_id"
    POSITION_ONLY = "position_only"
    CONTRACT_OTHER = "contract_other"

    @property
    def meaning(self) -> str:
        """One line for tables and for `listeval show`."""
        return _MEANING[self]


class Flag(StrEnum):
    """What else was seen. Flags never decide whether an answer passes."""

    FENCED = "fenced"
    PROSE_WRAPPED = "prose_wrapped"
    SCHEMA_ECHO = "schema_echo"
    KEY_ORDER = "key_order"
    REPAIRED = "repaired"
    JSON_WRAPPED = "json_wrapped"
    SEVERAL = "several"
    POSITIONS = "positions"

    @property
    def meaning(self) -> str:
        """One line for documents and reports."""
        return _FLAG_MEANING[self]


_MEANING: dict[Kind, str] = {
    Kind.OK: "keeps its contract",
    Kind.ENGINE_ERROR: "the engine gave no answer",
    Kind.CONSTRAINT_IGNORED: "breaks what the constrained engine promised",
    Kind.TRUNCATED: "the token budget ran out before the answer ended",
    Kind.WHITESPACE_RUNAWAY: "the token budget went into whitespace",
    Kind.EMPTY: "no text at all",
    Kind.WRONG_CHANNEL: "the text is in the reasoning channel, the answer is empty",
    Kind.REFUSAL: "declines in words, without JSON",
    Kind.NO_JSON: "no JSON in the text",
    Kind.MALFORMED_JSON: "starts as JSON but does not parse",
    Kind.WRONG_TYPE: "JSON of another type than the contract's",
    Kind.MISSING_KEY: "an object lacks a required key",
    Kind.EXTRA_KEY: "an object has a key that the contract does not know, or one twice",
    Kind.BAD_VALUE: "a value is not of the contract's form",
    Kind.TOO_LONG: "more objects than the contract allows",
    Kind.DUPLICATE_ID: "an input id is named twice",
    Kind.MISSING_ID: "every id is real, none twice, but some are absent",
    Kind.UNKNOWN_ID: "an id that the input does not have",
    Kind.POSITION_ONLY: "positions (1, 2, ..., 'Review 1') in place of the input's ids",
    Kind.CONTRACT_OTHER: "breaks a rule of the contract that has no kind of its own",
}

_FLAG_MEANING: dict[Flag, str] = {
    Flag.FENCED: "a code fence around the answer",
    Flag.PROSE_WRAPPED: "words before or after the answer",
    Flag.SCHEMA_ECHO: "a JSON Schema repeated",
    Flag.KEY_ORDER: "keys in another order than the contract's",
    Flag.REPAIRED: "parsed after a repair",
    Flag.JSON_WRAPPED: "the answer stands inside other JSON (a list in an object)",
    Flag.SEVERAL: "several JSON values one after the other",
    Flag.POSITIONS: "some ids are positions or the prompt's own words for them",
}
