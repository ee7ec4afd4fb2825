"""vLLM plug-in (entry point group `vllm.general_plugins`): AMX permission in every engine and worker process.

vLLM's CPU kernels pick AMX without asking Linux for the tile registers, and the first bf16
attention call then dies of an illegal instruction. float32 is not affected.
"""


def register() -> None:
    """Ask for the permission where torch is a CPU build that can; repeated calls do no harm."""
    import torch

    request = getattr(torch.cpu, "_init_amx", None)
    if request is not None and torch.version.cuda is None:
        request()
