"""`footpath predict`: how likely an act is, or how an item will be rated, for each row of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from footpath.cli import console

_SHOWN: Final = 10


def predict(
    run: Annotated[Path, typer.Argument(help="A run of a model of responses or ratings that `footpath train` made.")],
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: user_id, item_id, timestamp, and the context columns of training.")],
    into: Annotated[Path | None, typer.Option(help="Where the rows go with their predictions, .csv or .parquet.")] = None,
    store: Annotated[Path | None, typer.Option(help="The store with the users' events, where it has moved.")] = None,
    at: Annotated[str | None, typer.Option(help="When it is asked, ISO 8601, for rows without a timestamp.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file that is there.")] = False,
    json: console.Json = False,
) -> None:
    """Score the rows of a file, each after what its user did strictly before it."""
    from footpath.errors import ConfigError
    from footpath.experiments import responses

    if into is not None and into.exists() and not overwrite:
        raise ConfigError(f"{into} exists already; choose another file or pass --overwrite")
    opened = responses.open_response_run(run)
    with console.progress() as progress:
        table, told = responses.predict_rows(opened, responses.read_rows(file), store=store, at=at, progress=progress)
    if into is not None:
        responses.write_rows(table, into)
    if json:
        rows = {} if into is not None else {"predictions": table.to_pylist()}
        console.print_json({"run": str(run), "into": None if into is None else str(into), **told, **rows})
        return
    names = [f"predicted_{task}" for task in opened.model.tasks]
    shown = [name for name in ("user_id", "item_id", "timestamp") if name in table.column_names]
    console.table(
        f"{opened.record['model']} on {told['rows']:,} rows of {file.name}" + (f", the first {_SHOWN}" if told["rows"] > _SHOWN else ""),
        [*shown, *names],
        [[_text(row[name]) for name in (*shown, *names)] for row in table.slice(0, _SHOWN).to_pylist()],
        right=names,
        caption="; ".join(f"mean {task}: {figures['mean']:.4f}" for task, figures in told["tasks"].items()),
    )
    if told["unknown_users"]:
        console.out.print(f"{told['unknown_users']:,} rows are of users without a known event before: answered as for somebody new.")
    if told["unknown_items"]:
        console.out.print(f"{told['unknown_items']:,} rows are of items that the model does not know: answered by all else.")
    if told["missing_columns"]:
        console.out.print(f"Columns of training that the file lacks, taken as unknown: {', '.join(told['missing_columns'])}.")
    if into is None:
        console.next_step(f"footpath predict {run} {file} --into predictions.csv")
    else:
        console.out.print(f"\nWritten: {into}", style="bold")


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
