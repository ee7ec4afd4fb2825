"""Runs `listeval` with accelerate made to shard (FSDP2) on a CPU."""

from benchmarks.gpu.sharding import shard_on_cpu
from listeval.__main__ import main

shard_on_cpu()
main()
