"""accelerate made to shard (FSDP2) on a CPU, which it does on GPUs only; torch itself can."""

from __future__ import annotations

from typing import Any, NoReturn


def shard_on_cpu() -> None:
    """From now on, in this process: as launched for FSDP2, so done, with accelerate's own mixed precision too."""
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedType

    begin = AcceleratorState.__init__

    def begin_sharded(self: Any, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        begin(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.fsdp_plugin = fsdp_plugin
            if self._mixed_precision != "no":
                # What accelerate does on a GPU: weights and sums of gradients in that type.
                fsdp_plugin.set_mixed_precision(self._mixed_precision)
        self.distributed_type = DistributedType.FSDP

    AcceleratorState.__init__ = begin_sharded


def end_processes() -> NoReturn:
    """Leave the process group, and then the program at once: see `launched.AtExit` for why."""
    from listeval.cli.launched import end
    from listopd.parallel import leave_group

    leave_group()
    end(0)
