"""The smallest listwise task: two ids in the prompt, a score for each in the answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from listeval import Dataset, Example, KeyedList, Message, Task, TaskOptions


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    s: int


class Pairs(Task):
    name = "pairs"
    version = 1
    summary = "two ids, two scores"
    metrics = ()
    max_tokens = 8

    class Options(TaskOptions):
        n: int = 16
        split: Literal["train", "test"] = "test"
        longest: int = 0

    def load(self, data, seed):
        start = 0 if self.options.split == "train" else 1000
        examples = [self._example(start + i) for i in range(self.options.n)]
        return Dataset(examples, "made up", f"pairs-{self.options}", {"groups": len(examples)})

    def _example(self, i):
        ids = [f"a{i}", f"b{7 * i % 100}"]
        # Prompts of several lengths, so that batches are padded; every fourth is `longest` characters longer.
        extra = "x" * self.options.longest if i % 4 == 3 else ""
        text = "rank " + " ".join(ids) + "!" * (i % 3) + extra
        return Example(str(i), (Message("user", text),), {"ids": ids, "scores": [i % 10, (3 * i) % 10]})

    def contract(self, target):
        return KeyedList(Row, key="id", ids=target["ids"])

    def gold(self, target):
        rows = ",".join(f'{{"id":"{i}","s":{s}}}' for i, s in zip(target["ids"], target["scores"], strict=True))
        return f"[{rows}]"

    def score(self, targets, values):
        return [{} for _ in targets]
