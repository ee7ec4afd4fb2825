"""Runs `listeval` with accelerate made to shard (FSDP2) on a CPU."""

import sys

from benchmarks.gpu.sharding import shard_on_cpu
from listeval.cli.main import main

shard_on_cpu()
sys.exit(main())
