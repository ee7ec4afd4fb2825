"""A run's rows as a data set of the hub: Parquet with the columns of `Run.frame`, and a card that says what they are.

Data and card go up in one commit. `Dataset.push_to_hub` makes such Parquet, but has no place for a card, which would
come in a second commit, or not at all where that fails.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from listeval.disk import write_atomic
from listeval.export.evaluated import evaluated, limits, local_name
from listeval.export.hub_upload import Repository, check_name, fresh_folder, hub, push
from listeval.export.row_tables import write_parquet
from listeval.report.markdown import code, escape

if TYPE_CHECKING:
    from listeval.runs.store import Run

_FILE = "data/rows.parquet"
_HIDDEN = "Prompts and right answers are those of the evaluation's data, whose own licence and terms hold for them."


def push_rows(run: Run, name: str, *, private: bool = False, licence: str = "", dry_run: Path | None = None) -> str:
    """Upload the rows of `run` as the data set `name` and give its address; with `dry_run` write that folder instead.

    Raises UserError for what is no name of a data set, as `push` does, and where a package is missing.
    """
    check_name(name, "--out", "data set of the hub")
    if dry_run is not None:
        _write(run, name, fresh_folder(dry_run), licence)
        return str(dry_run)
    with TemporaryDirectory(prefix="listeval-") as folder:
        _write(run, name, Path(folder), licence)
        return push(Path(folder), Repository(name, "dataset", private), f"Rows of {run.manifest.task.name} by listeval")


def _write(run: Run, name: str, folder: Path, licence: str) -> None:
    (folder / "data").mkdir()
    write_parquet(run, folder / _FILE)
    write_atomic(folder / "README.md", card(run, name, licence).encode())


def card(run: Run, name: str, licence: str) -> str:
    """The card: metadata that says where the rows are, and what they are in words."""
    client, made = hub(), run.manifest
    data = client.DatasetCardData(
        pretty_name=f"{made.task.name}: answers of {local_name(made.model.title)}",
        license=licence or None,
        tags=["listeval", "evaluation"],
        configs=[{"config_name": "default", "data_files": [{"split": "test", "path": _FILE}]}],
    )
    model = local_name(made.model.title)
    left_out = "\n".join(f"- {escape(line)}" for line in (*limits(run), _HIDDEN))
    text = f"""# Answers of {escape(model)} to {escape(made.task.name)}

One row a sample of an evaluation by listeval: `id`, `seed`, `outcome`, `kind` (whether the answer keeps its JSON
contract, and how it breaks it), a column a metric, `prompt`, `text`. A broken contract and an unscored answer have no
score, which is null and not zero.

    datasets.load_dataset("{name}", split="test")

Model {code(model)}, fingerprint {code(made.model.weights)}.

{evaluated(run, model)}

## Limits

{left_out}
"""
    return f"---\n{data.to_yaml()}\n---\n\n{text}"
