"""Which files of this machine a program may see: the base interpreter, its standard library and shared libraries.

Nothing else of the machine exists inside: no home directory, no /etc, no /proc, no installed packages, no repository.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from listeval.errors import UserError

DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_DATA = ("/usr/share/zoneinfo",)
_FILES = ("/etc/ld.so.cache",)
_LOADERS = ("/lib64", "/usr/lib64")
_LINKS = ("/lib", "/lib32", "/lib64", "/libx32")
# Modules whose shared libraries need not lie beside libc: each is mapped once to learn where they are.
_PROBE = """
import json, re, sysconfig
for name in "ctypes ssl hashlib sqlite3 zlib bz2 lzma decimal pyexpat uuid".split():
    try:
        __import__(name)
    except ImportError:
        pass
mapped = sorted({line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if ".so" in line})
print(json.dumps([sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), mapped]))
"""


class VisibleFiles(NamedTuple):
    """Paths as they are inside, which is as they are outside; `covered` ones are empty inside.

    `links`: symbolic links with their targets (`/lib` to `usr/lib` on most systems).
    """

    executable: str
    directories: tuple[str, ...]
    files: tuple[str, ...]
    covered: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1)
def visible() -> VisibleFiles:
    """What the base interpreter of this environment needs. Raises UserError where it cannot be started."""
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    command = [executable, "-I", "-S", "-B", "-c", _PROBE]
    try:
        found = subprocess.run(command, capture_output=True, check=True, text=True, stdin=subprocess.DEVNULL, env={})
        stdlib, platstdlib, mapped = json.loads(found.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        words = error.stderr.strip().splitlines() if isinstance(error, subprocess.CalledProcessError) else [str(error)]
        raise UserError(
            f"the sandbox cannot start the base interpreter: {words[-1] if words else 'it was killed'}",
            place=executable,
            fix="use a virtual environment whose base Python is installed here",
        ) from None
    libraries = {str(Path(path).parent) for path in mapped}
    wanted = {stdlib, platstdlib, *libraries, *filter(os.path.isdir, (*_LOADERS, *_DATA))}
    real = {os.path.realpath(path) for path in wanted}
    directories = tuple(sorted(path for path in real if not any(_inside(path, other) for other in real)))
    links = tuple((path, str(Path(path).readlink())) for path in _LINKS if Path(path).is_symlink())
    files = tuple(os.path.realpath(path) for path in _FILES if Path(path).is_file())
    packages = (f"{path}/{name}" for path in {stdlib, platstdlib} for name in ("site-packages", "dist-packages"))
    covered = tuple(sorted({os.path.realpath(path) for path in packages if Path(path).is_dir()}))
    return VisibleFiles(executable, directories, (executable, *files), covered, links)


def _inside(path: str, other: str) -> bool:
    return path != other and Path(path).is_relative_to(other)
