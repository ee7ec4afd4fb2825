"""What the keys of a manifest and a row mean, where their types do not say it."""

from __future__ import annotations

from typing import Final

MANIFEST: Final = {
    "schema_version": "Of this file; another one is refused.",
    "listeval": "The version that began the run.",
    "created": "When, in UTC; names the run among others.",
    "config": "Every option, resolved, with its nulls.",
    "identity": "Everything that determines a row besides its example. Its hash names the run.",
    "task": "The plug-in: version, options, hash of its code and prompts, metrics with their bounds, verdicts.",
    "data": "By seed: where the examples came from, a fingerprint of them, and how many were left out and why.",
    "model": "Name, fingerprint of the weights, hashes of tokenizer and chat template, longest sequence.",
    "backend": "The engine, its effective settings, and its packages.",
    "constraint": "What the decoder was held to.",
    "environment": "Python, machine, packages, and the commit of the working directory.",
    "attempts": "Every process that worked on the run to its end or to Ctrl-C.",
}
ENTRIES: Final = {
    "task": {
        "name": "Of the plug-in.",
        "version": "Of its prompts and contract.",
        "options": "As `--set` has them, with their defaults; paths of files are absolute.",
        "code": "Hash of its code and prompts.",
        "metrics": "Name, bounds (null: open), whether it has a useful form, which k of `@k`, whether less is better.",
        "verdicts": "Every verdict that it may give.",
    },
    "data": {
        "name": "What reports call the data.",
        "source": "Where it came from.",
        "fingerprint": "Hash of the examples.",
        "counts": "How many were read, kept and left out, by the reason.",
    },
    "model": {
        "name": "As `--model` named it.",
        "fingerprint": "Hash of the weights; of a server what it says of itself.",
        "path": "Folder of the checkpoint.",
        "tokenizer_hash": "Of the tokenizer; null where the server renders.",
        "template_hash": "Of the chat template.",
        "max_length": "Longest sequence in tokens.",
    },
    "backend": {
        "name": "As `--backend` names it.",
        "settings": "The effective settings by the engine's own names, with what its constraint cost.",
        "versions": "Of its packages.",
    },
    "canary": {
        "passed": "Whether the engine constrains.",
        "why": "What was wrong; empty where it passed.",
        "text": "The answer.",
        "finish_reason": "Of the answer.",
        "spacing": "How the answer is spaced.",
    },
    "audit": {
        "engine": "What constrains.",
        "valid": "What became of a valid answer.",
        "numbers": "Whether numbers are bounded.",
        "unique_items_asked": "What became of the keyword `uniqueItems`.",
    },
    "environment": {
        "python": "Its version.",
        "platform": "System, machine, C library.",
        "cpu": "Its name.",
        "cores": "How many.",
        "gpu": "Its name.",
        "memory_gib": "Main memory.",
        "packages": "Versions of those that matter.",
        "git": "Commit of the working directory, with `+` where it has changes.",
    },
}
"""What stands in the manifest's entries, where the entry does not say it itself."""
ROW: Final = {
    "key": "Hash of everything that determines the row.",
    "outcome": "`scored` (contract failures too), `unscored` (the instrument failed) or `error` (the engine failed).",
    "reason": "Why a sample is unscored.",
    "example": "Id of the example.",
    "index": "Its place among the examples of its seed.",
    "seed": "The seed that grouped the data and seeded the sampler.",
    "cluster": "Samples of one cluster stand or fall together; intervals know it.",
    "kind": "What the contract says of the answer.",
    "detail": "The same in words.",
    "flags": "What else was seen; flags decide nothing.",
    "span": "Where in `text` the answer or the fault is: first and last character.",
    "missing": "How many input ids are absent.",
    "bare": "Whether the text is the JSON itself; null in rows from before it was noted.",
    "scores": "The task's metrics; null where one is undefined. Empty for a failure.",
    "verdict": "The task's own word on an answer that parsed.",
    "value": "The parsed answer.",
    "target": "What parsing and scoring need of the example, so that a run is scored again without the data.",
    "text": "The answer as it came.",
    "reasoning": "Thinking that the engine told apart from the answer.",
    "finish_reason": "`stop`, `length`, or what the engine says.",
    "n_tokens": "Generated tokens; 0 beside an answer with text where nobody told them.",
    "n_prompt_tokens": "Tokens of the prompt; 0 beside an answer where nobody told them.",
    "latency_s": "Seconds from the request to the answer.",
    "masked": "Mean probability that a constraint took away from a step; null where it is not told.",
    "prompt": "The exact prompt.",
    "error": "What the engine said of its failure.",
    "attempts": "Every answer to a sample that was asked again, the first one first; else null.",
}
