"""Runs `listeval` with accelerate made to shard (FSDP2) on a CPU."""

from benchmarks.gpu.sharding import end_processes, shard_on_cpu
from listeval.cli.main import main

shard_on_cpu()
try:
    main()
except SystemExit as ended:
    end_processes(ended.code)
