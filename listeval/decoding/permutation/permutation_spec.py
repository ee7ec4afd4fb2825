"""What an exact-once answer looks like: the ids and how each object is written. JSON both ways, no engine in sight."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from listeval.contract.separators import Separators
from listeval.decoding.permutation.number_form import NumberForm
from listeval.decoding.permutation.skeleton import Field, Layout, layout_of
from listeval.decoding.spacing import Spacing
from listeval.errors import UserError

if TYPE_CHECKING:
    from listeval.contract import KeyedList

MOST_IDS = 4096
_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class PermutationSpec:
    """A list with one object for each of `ids`, in any order, every object written as `layout` says.

    Raises UserError for no ids, more than MOST_IDS, ids that repeat, and text that JSON cannot carry.
    """

    ids: tuple[str, ...]
    layout: Layout
    bodies: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    """Each id as it is written after its opening quote, the closing quote included, in sorted order."""

    def __post_init__(self) -> None:
        size = len(self.ids)
        if not 0 < size <= MOST_IDS:
            raise UserError(f"a permutation of {size:,} ids: it takes 1 to {MOST_IDS:,}", fix="take smaller groups")
        if len(set(self.ids)) != size:
            name = Counter(self.ids).most_common(1)[0][0]
            raise UserError(f"the id {name!r} stands twice, so no answer could name each once")
        for name, _ in self.layout.fields:
            spell(name)
        object.__setattr__(self, "bodies", tuple(sorted(spell(name)[1:] for name in self.ids)))

    @classmethod
    def of(cls, contract: KeyedList[Any], spacing: Spacing = Spacing.EITHER, form: NumberForm | None = None) -> Self:
        """The permutations that keep `contract`, spaced as `spacing` says.

        A field's number form is `form` (default: what the contract's prompt promises), with the bounds that the
        field's own schema states. Raises UserError for a field that is no number, and for the spacing `gold` where
        the task's gold answers have no one pair of separators.
        """
        properties = contract.json_schema()["items"]["properties"]
        fields = _fields(properties, contract.key, form or promised(contract))
        return cls(contract.ids, Layout(fields, spacing, contract.separators))

    def spec(self) -> dict[str, Any]:
        """JSON; `from_spec` reads it."""
        return {**self.layout.spec(), "ids": list(self.ids)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The spec that wrote `spec`. Raises UserError for anything else."""
        try:
            if not all(isinstance(name, str) for name in spec["ids"]):
                raise TypeError("ids are strings")
            return cls(tuple(spec["ids"]), layout_of(spec))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"this is no permutation spec: {type(error).__name__} {error}") from error

    def write(self, values: Mapping[str, Mapping[str, str]]) -> str:
        """The answer that gives the ids of `values`, in its order, those spelled numbers by field name."""
        return self._written(values, self.layout.separators)

    def longest_answer(self) -> int:
        """Tokens that no answer exceeds, its stop token included: each byte a token, all at its longest."""
        numbers = {name: form.longest for name, form in self.layout.fields if form}
        separators, pad = self.layout.widest
        return len(self._written(dict.fromkeys(self.ids, numbers), separators, pad).encode()) + 1

    def _written(self, values: Mapping[str, Mapping[str, str]], separators: Separators, pad: str = "") -> str:
        comma, colon = separators
        objects = []
        for name, numbers in values.items():
            cells = ((field, numbers[field] if form else _encode(name)) for field, form in self.layout.fields)
            text = comma.join(_encode(field) + colon + cell for field, cell in cells)
            objects.append(f"{{{pad}{text}{pad}}}")
        return f"{pad}[{pad}{comma.join(objects)}{pad}]"


def spell(text: str) -> bytes:
    """The one JSON spelling of a string: shortest escapes, all other characters as themselves. Raises UserError."""
    try:
        return _encode(text).encode()
    except UnicodeEncodeError:
        raise UserError(f"JSON cannot carry {text!r}: it holds half a surrogate pair", fix="rename it") from None


def promised(contract: KeyedList[Any]) -> NumberForm:
    """The numbers that the contract's prompt promises, where a field states nothing of its own."""
    return NumberForm(*contract.scale, contract.decimals)


def _fields(properties: Mapping[str, Any], key: str, form: NumberForm) -> tuple[Field, ...]:
    fields = []
    for name, schema in properties.items():
        found = None if name == key else NumberForm.of_schema(schema, form)
        if found is None and name != key:
            cause = f"the field '{name}' is no plain number, and a permutation decodes numbers alone"
            raise UserError(cause, fix="use --constraint schema")
        fields.append(Field(name, found))
    return tuple(fields)
