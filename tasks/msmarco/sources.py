"""Which files hold the lists and which the human grades: of a path, of the hub, of the sample."""

from __future__ import annotations

from pathlib import Path

from listeval import HubDataset, UserError, first_line, local_file

from .qrels import Qrels, read_qrels
from .readers import Listing, Reading, read

_ENDS = (".jsonl", ".ndjson", ".json", ".parquet")
_JUDGEMENTS = (".txt", ".tsv", ".qrels")
_REPOSITORY = "castorini/rank_llm_data"
_JUDGED = {"dl19": "msmarco-passage/trec-dl-2019/judged", "dl20": "msmarco-passage/trec-dl-2020/judged"}
"""Ids of the human grades in `ir_datasets`."""


def local(path: Path) -> Reading:
    """What a file or a folder holds.

    A folder stands for its `candidates*` files where it has any, else for all its lists and those in
    `retrieve_results/RUN/`. Grades come from the lists themselves or from `*qrels*.txt` beside them
    (for a single file also in one of the two folders above).
    Raises UserError where there are no lists, and for what `read` refuses.
    """
    if path.is_dir():
        lists, places = _lists(path), [path]
        if not lists:
            raise _no_lists(path)
    else:
        lists, places = [path], list(path.resolve().parents)[:3]
    listings = [Listing(local_file(file), file.resolve().parent.name) for file in lists]
    judges = next((found for place in places if (found := _qrels(place))), [])
    files = [local_file(file) for file in judges]
    return read(listings, read_qrels(files), files, str(path))


def hub(first_stage: str) -> Reading:
    """First-stage lists of rank_llm's data set, 100 passages a query, with the grades from `ir_datasets`.

    Raises UserError without the packages or the network.
    """
    try:
        import ir_datasets
    except ImportError:
        raise UserError.missing_package("ir_datasets", "pip install 'listeval[hub]'", "reading TREC grades") from None
    dataset = HubDataset(_REPOSITORY)
    listings, qrels = [], Qrels()
    for year, judged in _JUDGED.items():
        file = dataset.file(f"retrieve_results/{first_stage}/retrieve_results_{year}_top100.jsonl")
        listings.append(Listing(file, first_stage))
        try:
            for qrel in ir_datasets.load(judged).qrels_iter():
                qrels.setdefault(qrel.query_id, {})[qrel.doc_id] = qrel.relevance
        except (OSError, RuntimeError) as error:  # its HTTP library's errors are OSErrors
            cause = f"the grades cannot be read: {first_line(error)}"
            raise UserError(cause, place=judged, fix="check the network, or give --data a folder with qrels") from None
    return read(listings, qrels, [], f"hf://datasets/{_REPOSITORY}")


def _lists(folder: Path) -> list[Path]:
    """Joined candidates, or else everything that may be a list."""
    here = _data_files(folder)
    joined = [file for file in here if file.name.startswith("candidates")]
    return joined or here + [file for run in sorted(folder.glob("retrieve_results/*/")) for file in _data_files(run)]


def _data_files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.name.removesuffix(".gz").endswith(_ENDS) and f.is_file())


def _qrels(folder: Path) -> list[Path]:
    return sorted(f for f in folder.glob("*qrels*") if f.name.removesuffix(".gz").endswith(_JUDGEMENTS) and f.is_file())


def _no_lists(folder: Path) -> UserError:
    judged = _qrels(folder)
    cause = f"{judged[0].name} without passages" if judged else "no lists of passages"
    fix = "add candidates.*.jsonl.gz, or retrieve_results/RUN/*.json with the texts"
    return UserError(cause, place=str(folder), fix=fix)
