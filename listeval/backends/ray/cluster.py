"""Ray's side: connected to, and asked for a pipeline of vLLM engines. Imports ray inside functions only."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from listeval.errors import UserError, first_line

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing about a run leaves for elsewhere
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what it cannot do comes back as an error
    "RAY_worker_niceness": "0",  # engines are the work, not its background
    "RAY_ENABLE_AUTO_CONNECT": "0",  # what is asked of a cluster that was left must fail, not start another
}
_ENGINE_ENV = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
_CPU_ENV = {"VLLM_CPU_KVCACHE_SPACE": "2"}
_SEATS = 4
"""Logical CPUs beside the engines' own: Ray Data's tasks need some, or they wait for each other for ever."""
_BATCHES = 8
"""Batches that an engine works on at once, so that none waits for the longest answer of another."""
_MOST_OF_A_BATCH = 64
_STARTS = 3
_TOO_SLOW = "timed out during startup"
"""Ray gives its own processes 30 s to come up, and no setting says otherwise. A busy machine takes longer the first
time, when it reads their files; another start is all that helps. What the first has left ends with this process."""


class EnginePool(NamedTuple):
    """How many engines, and what each is started with (vLLM's own arguments)."""

    replicas: int
    arguments: Mapping[str, Any]
    cpu: bool

    @property
    def cards(self) -> int:
        """Cards of one engine."""
        told = self.arguments
        return int(told.get("tensor_parallel_size") or 1) * int(told.get("pipeline_parallel_size") or 1)

    @property
    def batch(self) -> int:
        """Rows that are handed to an engine together."""
        return max(1, min(_MOST_OF_A_BATCH, int(self.arguments["max_num_seqs"]) // _BATCHES * 2))

    @property
    def in_flight(self) -> int:
        """Requests under way at once: enough for all engines, and a bound on what the driver keeps."""
        return self.replicas * max(4 * int(self.arguments["max_num_seqs"]), 2 * _BATCHES * self.batch)


def connect(address: str | None, layout: EnginePool) -> None:
    """Join the cluster at `address`, or start one in this machine. Raises UserError where that does not work.

    On a CPU every engine counts as one logical CPU, however many there are.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    for name in ("ray", "ray.data", "ray.llm", "ray._private.worker"):
        logging.getLogger(name).setLevel(logging.ERROR)
    told: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    if address is None and layout.cpu:
        told["num_cpus"] = layout.replicas + _SEATS
    if address is not None:
        told["address"] = address
        del told["include_dashboard"]
    told["runtime_env"] = {"env_vars": _ENGINE_ENV | (_CPU_ENV if layout.cpu else {})}
    try:
        _start(ray, told)
    except Exception as error:  # ray raises whatever its processes died of
        where = address or "this machine"
        fix = "start it with `ray start --head`, or leave --ray-address out" if address else "see `ray status`"
        raise UserError(f"Ray does not start: {first_line(error)}", place=where, fix=fix) from error


def _start(ray: Any, told: Mapping[str, Any]) -> None:
    """Raises what Ray raises, at the last try where its processes were only slow."""
    for tries_left in reversed(range(_STARTS)):
        try:
            ray.init(**told)
            return
        except Exception as error:
            if not tries_left or _TOO_SLOW not in str(error):
                raise
            ray.shutdown()


def make_queue() -> Any:
    """What carries rows to the engines: a few batches deep, so that requests are read as they are needed."""
    from ray.util.queue import Queue

    return Queue(maxsize=4, actor_options={"num_cpus": 0})


def check_room(layout: EnginePool) -> None:
    """Raises UserError where the cluster has too few cards: Ray would wait for them for ever."""
    import ray

    if layout.cpu:
        return
    there, wanted = int(ray.cluster_resources().get("GPU", 0)), layout.replicas * layout.cards
    if there < wanted:
        cause = f"{layout.replicas} engines of {layout.cards} GPU want {wanted}, the cluster has {there}"
        raise UserError(cause, place="--engine-arg replicas", fix="ask for less, or add nodes to the cluster")


def pipeline(layout: EnginePool, queue: Any, row_bytes: int) -> Iterator[dict[str, Any]]:
    """Rows of answers, in the order in which batches end, from rows that are pulled from `queue` until it gives None.

    A row has `row`, `tokenized_prompt` and `sampling_params`; an answer has `row`, `generated_tokens`,
    `time_taken_llm` and `__inference_error__` ("" for none) besides.
    """
    from ray.data import DataContext, range
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # importing it has set it anew
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    # A block is what travels together: a batch, not the 128 MB for which Ray would wait.
    context.target_min_block_size, context.target_max_block_size = 1, max(1, row_bytes * layout.batch)
    told = dict(layout.arguments)
    bundle = {"CPU": 1} if layout.cpu else {"GPU": 1, "CPU": 1}
    config = vLLMEngineProcessorConfig(
        model_source=told.pop("model"),
        engine_kwargs=told,
        concurrency=(layout.replicas, layout.replicas),
        batch_size=layout.batch,
        max_concurrent_batches=_BATCHES,
        # No more than it works on: what waits goes to whichever engine is free.
        max_tasks_in_flight_per_actor=_BATCHES,
        placement_group_config={"bundles": [bundle] * layout.cards},
        should_continue_on_error=True,
        log_engine_metrics=False,
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,
    )
    light = {"num_cpus": 0.1}
    build = build_processor(config, preprocess_map_kwargs=light, postprocess_map_kwargs=light)
    source = range(1, override_num_blocks=1).map_batches(_pull, fn_args=(queue,), batch_size=1, num_cpus=0.1)
    yield from build(source).iter_rows()


def _pull(_: Any, queue: Any) -> Iterator[dict[str, list[Any]]]:
    """Runs in a worker: one task that gives row after row, as long as there are any."""
    while (rows := queue.get()) is not None:
        yield {name: [row[name] for row in rows] for name in rows[0]}
