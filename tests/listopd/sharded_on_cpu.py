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
        if self._mixed_precision != "no":
            # What accelerate does on a GPU: weights and sums of gradients in that type.
            fsdp_plugin.set_mixed_precision(self._mixed_precision)
    self.distributed_type = DistributedType.FSDP


AcceleratorState.__init__ = begin_sharded
sys.exit(main())
