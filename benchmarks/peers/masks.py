"""One engine and one K in a process of its own: `python -m benchmarks.peers.masks ENGINE K ROUNDS` prints JSON.

Its own process because native memory can only be told apart that way, and because a grammar that
does not compile in time can only be ended that way.
"""

from __future__ import annotations

import ctypes
import gc
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from benchmarks.vocabularies import qwen
from listeval.decoding.permutation import automaton as permutation
from listeval.decoding.permutation import number_form, skeleton
from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.permutation.number_form import NumberForm
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.permutation.skeleton import Field, Layout
from listeval.decoding.permutation.subset_grammar import subset_grammar
from listeval.decoding.tokens.token_trie import TokenTrie, trie_of

LAYOUT = Layout((Field("review_id", None), Field("score", NumberForm())))
NUMBER = r"(10(\.0)?|[0-9](\.[0-9])?)"
"""The default number form as a regular expression."""
MOST_RULES_IDS, MOST_ORDERS_IDS = 13, 5
"""Above these K nobody could wait: 2^13 rules take seconds and hundreds of MB, 8! orders more than a regex holds."""


class Follower(Protocol):
    """One answer under way."""

    def mask(self) -> Any:
        """Make the mask of the next token."""

    def write(self, token: int) -> bool:
        """Write a token; False where the engine refuses it."""


class Set(NamedTuple):
    """What an engine gets: vocabulary, spec, and the trie of ours that also plans the path."""

    tokenizer: Any
    trie: TokenTrie
    stop: int
    spec: PermutationSpec


Compiled = Callable[[], Follower]


class Ours:
    """Token ids of what is allowed; with `packed`, the bitmask that engines fill."""

    def __init__(self, shared: Permutation, packed: bool, width: int) -> None:
        self._cursor = shared.cursor()
        self._bits = np.zeros(width + 7 >> 3, dtype=np.uint8) if packed else None

    def mask(self) -> Any:
        allowed = self._cursor.allowed()
        if self._bits is None:
            return allowed
        self._bits.fill(0)
        np.bitwise_or.at(self._bits, allowed >> 3, (1 << (allowed & 7)).astype(np.uint8))
        return self._bits

    def write(self, token: int) -> bool:
        self._cursor.advance(token)
        return True


def ours(inputs: Set, packed: bool = False) -> Callable[[], Compiled]:
    """Compile: everything but the vocabulary's trie is dropped first."""

    def compile() -> Compiled:
        permutation._grammar.cache_clear()
        skeleton.skeleton.cache_clear()
        number_form.number_automaton.cache_clear()
        shared = Permutation(PermutationSpec(inputs.spec.ids, LAYOUT), inputs.trie, [inputs.stop])
        return lambda: Ours(shared, packed, len(inputs.trie.texts))

    return compile


class Bits:
    """An engine that fills a bitmask."""

    def __init__(self, fill: Callable[[], Any], write: Callable[[int], Any]) -> None:
        self.mask, self._write = fill, write

    def write(self, token: int) -> bool:
        return self._write(token) is not False


def xgrammar(inputs: Set) -> Callable[[], Compiled]:
    """EBNF, one thread, no cache."""
    import xgrammar

    info = xgrammar.TokenizerInfo.from_huggingface(inputs.tokenizer, stop_token_ids=[inputs.stop])
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    bits = xgrammar.allocate_token_bitmask(1, info.vocab_size)

    def compile() -> Compiled:
        grammar = compiler.compile_grammar(subset_grammar(inputs.spec, most_ids=MOST_RULES_IDS))

        def start() -> Follower:
            matcher = xgrammar.GrammarMatcher(grammar)
            return Bits(lambda: matcher.fill_next_token_bitmask(bits), matcher.accept_token)

        return start

    return compile


def llguidance(inputs: Set) -> Callable[[], Compiled]:
    """Lark; compiles lazily, so its masks carry most of the cost."""
    from llguidance import LLMatcher
    from llguidance.hf import from_tokenizer
    from llguidance.torch import allocate_token_bitmask, fill_next_token_bitmask

    tokenizer = from_tokenizer(inputs.tokenizer, eos_token=inputs.stop)
    bits = allocate_token_bitmask(1, tokenizer.vocab_size)

    def compile() -> Compiled:
        grammar = LLMatcher.grammar_from_lark(subset_grammar(inputs.spec, "lark", most_ids=MOST_RULES_IDS))
        first = LLMatcher(tokenizer, grammar, log_level=0)
        if first.is_error():
            raise ValueError(first.get_error())

        def start() -> Follower:
            matcher = first.deep_copy()
            return Bits(lambda: fill_next_token_bitmask(matcher, bits), matcher.consume_token)

        return start

    return compile


def outlines(inputs: Set) -> Callable[[], Compiled]:
    """A regular expression of all K! orders, since it has no grammars."""
    from outlines_core import Guide, Index, Vocabulary

    by_text: dict[bytes, list[int]] = {}
    for token, text in enumerate(inputs.trie.texts):
        if text:
            by_text.setdefault(text, []).append(token)
    vocabulary = Vocabulary(inputs.stop, by_text)
    bits = np.zeros((len(inputs.trie.texts) + 31) // 32, dtype=np.uint32)

    def compile() -> Compiled:
        index = Index(orders(inputs.spec), vocabulary)

        def start() -> Follower:
            guide = Guide(index)
            fill = lambda: guide.write_mask_into(bits.ctypes.data, bits.size, bits.itemsize)  # noqa: E731
            return Bits(fill, guide.advance)

        return start

    return compile


def orders(spec: PermutationSpec) -> str:
    """All orders of the ids, beginnings shared."""
    if len(spec.ids) > MOST_ORDERS_IDS:
        raise ValueError(f"a regular expression of {len(spec.ids)}! orders")

    def rest(left: frozenset[str]) -> str:
        more = {name: ", ?" + rest(left - {name}) if len(left) > 1 else "" for name in left}
        tails = (rf'{name}", ?"score": ?{NUMBER}\}}' + then for name, then in more.items())
        return r'\{"review_id": ?"(' + "|".join(tails) + ")"

    return rf"\[{rest(frozenset(spec.ids))}\]"


ENGINES: dict[str, Callable[[Set], Callable[[], Compiled]]] = {
    "listeval": ours,
    "listeval, as a bitmask": lambda inputs: ours(inputs, packed=True),
    "xgrammar": xgrammar,
    "llguidance": llguidance,
    "outlines-core": outlines,
}


def main(engine: str, size: int, rounds: int) -> None:
    """Measure one engine at one K; JSON on stdout."""
    inputs, trie_s = prepare(size)
    path = plan(inputs)
    compiler = ENGINES[engine](inputs)
    found: dict[str, Any] = {"compile": [], "cold": [], "hot": [], "trie_s": trie_s, "steps": len(path)}
    before = reset_peak()
    gc.disable()
    for _ in range(rounds):
        started = time.perf_counter()
        try:
            start = compiler()
        except Exception as error:  # noqa: BLE001  an engine's refusal is a result
            print(json.dumps({"unsupported": str(error).splitlines()[0].split(" (--engine)")[0]}))
            return
        found["compile"].append(time.perf_counter() - started)
        cold, hot, refused = follow(start(), path)
        found["cold"].append(percentiles(cold))
        found["hot"].append(percentiles(hot))
        found["refused"] = refused
        # A second long compile says nothing new.
        if found["compile"][0] > 1:
            break
    found["peak_mb"] = (peak() - before) / 1024
    print(json.dumps(found))


def prepare(size: int) -> tuple[Set, float]:
    """Qwen's vocabulary and K ids as Amazon writes reviewers; and the seconds to build our trie."""
    tokenizer = qwen()
    started = time.perf_counter()
    trie = trie_of(tokenizer)
    seconds = time.perf_counter() - started
    letters = random.Random(size)
    ids = ("A" + "".join(letters.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=13)) for _ in range(size))
    return Set(tokenizer, trie, int(tokenizer.eos_token_id), PermutationSpec(tuple(ids), LAYOUT)), seconds


def plan(inputs: Set) -> list[int]:
    """Tokens of one answer, in a random order of ids: at each place the longest token that fits."""
    rng = random.Random(1)
    values = {name: {"score": rng.choice(("0", "7", "10", "3.5"))} for name in inputs.spec.ids}
    names = rng.sample(inputs.spec.ids, len(inputs.spec.ids))
    left = inputs.spec.write({name: values[name] for name in names}).encode()
    path, texts = [], inputs.trie.texts
    while left:
        fitting = (token for n in range(1, len(left) + 1) if n < 40 for token in inputs.trie.tokens_of(left[:n]))
        path.append(max(fitting, key=lambda token: len(texts[token] or b"")))
        left = left[len(texts[path[-1]] or b"") :]
    return path


def follow(follower: Follower, path: Sequence[int]) -> tuple[list[float], list[float], int]:
    """Seconds of each step's first and second mask, and how many tokens of the path were refused."""
    cold, hot = [], []
    clock = time.perf_counter
    for at, token in enumerate(path):
        started = clock()
        follower.mask()
        between = clock()
        follower.mask()
        ended = clock()
        cold.append(between - started)
        hot.append(ended - between)
        if not follower.write(token):
            return cold, hot, len(path) - at
    return cold, hot, 0


def percentiles(seconds: Sequence[float]) -> list[float]:
    """p50 and p99."""
    found: list[float] = np.percentile(seconds, [50, 99]).tolist()
    return found


def reset_peak() -> int:
    """Forget the peak of resident memory so far; what is resident now, in KiB (Linux).

    Freed memory goes back to the system first, or what is measured next would hide in it.
    """
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> int:
    """The peak of resident memory since `reset_peak`, in KiB."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
