"""`python -m docs.tools`: write every generated page anew, and name those that changed."""

import sys

from docs.tools.pages import write

if __name__ == "__main__":
    sys.stdout.writelines(f"wrote {name}\n" for name in write())
