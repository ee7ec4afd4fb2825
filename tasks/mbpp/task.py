"""The task `mbpp`: Mostly Basic Python Problems (Austin et al., arXiv 2108.07732), a program in a JSON object.

Programs run in a sandbox, so a run needs `--allow-code-execution`. That a program passes says nothing
about the contract, and the reverse: the failure table has the contract's kinds, the verdicts are the sandbox's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from pydantic import Field

from listeval import (
    Contract,
    Dataset,
    Example,
    Item,
    Kind,
    Message,
    Metric,
    Record,
    Task,
    TaskOptions,
    Unscored,
    UserError,
    Verdict,
    bad_records,
    fingerprint,
    prompt_template,
    record_answer,
    with_shots,
)

from .problems import Problem, Split, Variant
from .sources import read

if TYPE_CHECKING:
    from listeval import Program, Ran, Sandbox

_PROTOCOL_SHOTS = (2, 3, 4)
"""The task_ids of the worked examples in the paper's few-shot prompt."""


class Code(Item):
    """A program."""

    code: str


class Tests(TypedDict):
    """What scoring needs: the fields of a `Problem`."""

    tests: Sequence[str]
    imports: str
    setup: str
    code: str
    names: Sequence[str]


class MbppOptions(TaskOptions):
    """Options of the task."""

    variant: Variant | None = Field(None, description="full or sanitized; where the data has both, full")
    split: Split = Field("test", description="part of the problems")
    shots: int = Field(
        0, ge=0, description="worked examples before the question: tasks 2, 3, 4, then others of 'prompt'"
    )
    tests_shown: int = Field(3, ge=1, description="tests in the prompt, from the first; all of them decide")


class Mbpp(Task[Tests, Code]):
    """Short programs, judged by their tests."""

    name = "mbpp"
    version = 1
    summary = "write a Python function that passes its tests"
    Options = MbppOptions
    metrics = (Metric("pass", useful=True, bounds=(0.0, 1.0), at=(1, 5, 10)),)
    verdicts = ("ok", "assertion", "exception", "timeout", "memory")
    executes_code = True
    seeded = False
    options: MbppOptions
    _sandbox: Sandbox | None = None

    def load(self, data: str | None, seed: int) -> Dataset:
        split, shots = self.options.split, self.options.shots
        splits: tuple[Split, ...] = (split, "prompt") if shots and split != "prompt" else (split,)
        found = read(data, self.options.variant, splits)
        asked, total = found.part(split), len(found.problems)
        source = found.files[0].name if data is not None else f"{self.name} sample"
        if not asked:
            raise UserError(f"no problem of the split '{split}'", place=source, fix="choose another --set split")
        pool = sorted(found.part("prompt"), key=lambda one: (one.id not in _PROTOCOL_SHOTS, one.id)) if shots else []
        counts = {"problems": total, "other_splits": total - len(asked), "kept": len(asked)}
        name = found.name if data is None else f"{found.name} {split}"
        examples, others = map(self._example, asked), map(self._example, pool)
        shown = with_shots(list(examples), list(others), shots, self.gold, "the split 'prompt'", "task")
        return Dataset(shown, source, fingerprint(found.files), counts, name)

    def _example(self, problem: Problem) -> Example:
        target: Tests = {
            "tests": problem.tests,
            "imports": problem.imports,
            "setup": problem.setup,
            "code": problem.code,
            "names": problem.names,
        }
        return Example(str(problem.id), (Message("user", self._question(problem)),), target)

    def _question(self, problem: Problem) -> str:
        names = [f"`{name}`" for name in problem.names]
        return prompt_template(Path(__file__).with_name("prompt.jinja"))(
            text=problem.text,
            names=" and ".join(filter(None, (", ".join(names[:-1]), names[-1]))),
            preamble=problem.preamble,
            tests=problem.tests[: self.options.tests_shown],
        )

    def contract(self, target: Tests) -> Contract[Code]:
        return Record(Code)

    def gold(self, target: Tests) -> str:
        return record_answer({"code": target["code"]})

    def bad(self, target: Tests) -> Mapping[Kind, str]:
        return bad_records({"code": "x = 1"}, {"code": ["x = 1"]}, "The loop adds up the numbers of the list.")

    def prepare(self) -> None:
        self._open()

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def score(self, targets: Sequence[Tests], values: Sequence[Code]) -> list[Verdict | Unscored]:
        programs = [_program(target, value.code) for target, value in zip(targets, values, strict=True)]
        return [_verdict(ran) for ran in self._open().run(programs)]

    def _open(self) -> Sandbox:
        """One sandbox for the life of the task; a re-score may come without `prepare`."""
        if self._sandbox is None:
            from listeval import Sandbox

            self._sandbox = Sandbox()
        return self._sandbox


def _program(target: Tests, code: str) -> Program:
    """Set-up code may use what the answer defines, so it runs as the first test: where it fails, the answer does."""
    from listeval import Program

    setup = (target["setup"],) if target["setup"] else ()
    return Program(code, (*setup, *target["tests"]), target["imports"], tuple(target.get("names", ())))


def _verdict(ran: Ran) -> Verdict | Unscored:
    if ran.outcome == "sandbox":
        return Unscored(f"sandbox: {ran.detail}")
    return Verdict({"pass": float(ran.outcome == "ok")}, str(ran.outcome), ran.detail)
