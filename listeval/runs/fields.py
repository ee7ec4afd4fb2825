"""What numbers and names in a row may hold, for its decoder: a file from elsewhere cannot bring others in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

MOST = 2**53
"""Numbers of a run are finite and fit into 53 bits, so that no sum of them overflows."""

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0, le=MOST)]
Seed = Annotated[int, Meta(ge=-MOST, le=MOST)]
Number = Annotated[float, Meta(ge=-MOST, le=MOST)]
Span = Annotated[Sequence[Count], Meta(min_length=2, max_length=2)]
