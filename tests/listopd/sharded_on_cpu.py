"""Runs `listeval` with accelerate made to shard (FSDP2) on a CPU, which it does on GPUs only; torch itself can."""

import sys

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

from listeval.cli.main import main

begin = AcceleratorState.__init__


def begin_sharded(self, *args, fsdp_plugin=None, **kwargs):
    begin(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if fsdp_plugin is not None:
        self.fsdp_plugin = fsdp_plugin
    self.distributed_type = DistributedType.FSDP


AcceleratorState.__init__ = begin_sharded
sys.exit(main())
