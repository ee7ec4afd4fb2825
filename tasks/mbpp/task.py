"""The task `mbpp`: Mostly Basic Python Problems (Austin et al., arXiv 2108.07732), a program in a JSON object.

Programs run in a sandbox, so a run needs `--allow-code-execution`. That a program passes says nothing
about the contract, and the reverse: the failure table has the contract's kinds, the verdicts are the sandbox's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from listeval.contract import Contract, Item, Kind, Record
from listeval.errors import UserError
from listeval.kit.files import fingerprint
from listeval.kit.listwise import worked_examples
from listeval.kit.records import answer, bad_answers, turns
from listeval.kit.wording import wording
from listeval.task import Dataset, Example, Metric, Target, Task, TaskOptions, Unscored, Verdict

from .problems import Problem, Split, Variant
from .sources import read

if TYPE_CHECKING:
    from listeval.scoring.execution import Program, Ran, Sandbox

_PROTOCOL_SHOTS = (2, 3, 4)
"""The task_ids of the worked examples in the paper's few-shot prompt."""


class Code(Item):
    """A program."""

    code: str


class MbppOptions(TaskOptions):
    """Options of the task."""

    variant: Variant | None = Field(None, description="full or sanitized; where the data has both, full")
    split: Split = Field("test", description="part of the problems")
    shots: int = Field(
        0, ge=0, description="worked examples before the question: tasks 2, 3, 4, then others of 'prompt'"
    )
    tests_shown: int = Field(3, ge=1, description="tests in the prompt, from the first; all of them decide")


class Mbpp(Task):
    """Short programs, judged by their tests."""

    name = "mbpp"
    version = 1
    summary = "write a Python function that passes its tests"
    Options = MbppOptions
    metrics = (Metric("pass", useful=True, bounds=(0.0, 1.0), at=(1, 5, 10)),)
    verdicts = ("ok", "assertion", "exception", "timeout", "memory")
    executes_code = True
    options: MbppOptions
    _sandbox: Sandbox | None = None

    def load(self, data: str | None, seed: int) -> Dataset:
        """The same for every seed: samples of one problem then differ by sampling alone."""
        split, shots = self.options.split, self.options.shots
        splits: tuple[Split, ...] = (split, "prompt") if shots and split != "prompt" else (split,)
        found = read(data, self.options.variant, splits)
        asked, total = found.part(split), len(found.problems)
        source = found.files[0].name if data is not None else f"{self.name} sample"
        if not asked:
            raise UserError(f"no problem of the split '{split}'", place=source, fix="choose another --set split")
        pool = sorted(found.part("prompt"), key=lambda one: (one.id not in _PROTOCOL_SHOTS, one.id))
        counts = {"problems": total, "other_splits": total - len(asked), "kept": len(asked)}
        name = found.name if data is None else f"{found.name} {split}"
        examples = [self._example(problem, pool) for problem in asked]
        return Dataset(examples, source, fingerprint(found.files), counts, name)

    def _example(self, problem: Problem, pool: Sequence[Problem]) -> Example:
        shots, asked = self.options.shots, f"task {problem.id}"
        worked = worked_examples(pool, shots, lambda other: other.id != problem.id, asked, "the split 'prompt'")
        shown = [(self._question(one), answer({"code": one.code})) for one in worked]
        target = {
            **{"tests": problem.tests, "imports": problem.imports, "setup": problem.setup, "code": problem.code},
            "names": problem.names,
        }
        return Example(str(problem.id), turns(shown, self._question(problem)), target)

    def _question(self, problem: Problem) -> str:
        names = [f"`{name}`" for name in problem.names]
        return wording(Path(__file__).with_name("prompt.jinja"))(
            text=problem.text,
            names=" and ".join(filter(None, (", ".join(names[:-1]), names[-1]))),
            preamble=problem.preamble,
            tests=problem.tests[: self.options.tests_shown],
        )

    def contract(self, target: Target) -> Contract[Code]:
        return Record(Code)

    def gold(self, target: Target) -> str:
        return answer({"code": target["code"]})

    def bad(self, target: Target) -> Mapping[Kind, str]:
        return bad_answers({"code": "x = 1"}, {"code": ["x = 1"]}, "The loop adds up the numbers of the list.")

    def prepare(self) -> None:
        self._open()

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def score(self, targets: Sequence[Target], values: Sequence[Any]) -> list[Verdict | Unscored]:
        programs = [_program(target, value.code) for target, value in zip(targets, values, strict=True)]
        return [_verdict(ran) for ran in self._open().run(programs)]

    def _open(self) -> Sandbox:
        """One sandbox for the life of the task; a re-score may come without `prepare`."""
        if self._sandbox is None:
            from listeval.scoring.execution import Sandbox

            self._sandbox = Sandbox()
        return self._sandbox


def _program(target: Target, code: str) -> Program:
    """Set-up code may use what the answer defines, so it runs as the first test: where it fails, the answer does."""
    from listeval.scoring.execution import Program

    setup = (target["setup"],) if target["setup"] else ()
    return Program(code, (*setup, *target["tests"]), target["imports"], target.get("names", ()))


def _verdict(ran: Ran) -> Verdict | Unscored:
    if ran.outcome == "sandbox":
        return Unscored(f"sandbox: {ran.detail}")
    return Verdict({"pass": float(ran.outcome == "ok")}, str(ran.outcome), ran.detail)
