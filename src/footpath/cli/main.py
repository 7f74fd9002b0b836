"""The command `footpath`: one file a command, one place that turns an error into a message and an exit status."""

from __future__ import annotations

import sys

import typer

from footpath.cli import (
    analyze,
    ask,
    best,
    check_claims,
    compare,
    console,
    demo,
    embed,
    evaluate,
    explain,
    fetch,
    gateway,
    ingest,
    knowledge,
    mcp,
    models,
    predict,
    profile,
    quality,
    recommend,
    rerank,
    scale,
    simulate,
    train,
    tune,
    user,
)
from footpath.errors import FootpathError

STOPPED = 130

app = typer.Typer(
    name="footpath",
    help="From a log of what people did to evaluated recommendations.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    fetch.fetch,
    simulate.simulate,
    ingest.ingest,
    quality.quality,
    analyze.analyze,
    user.user,
    ask.ask,
    profile.profile,
    check_claims.check_claims,
    evaluate.evaluate,
    train.train,
    tune.tune,
    scale.scale,
    best.best,
    compare.compare,
    recommend.recommend,
    explain.explain,
    rerank.rerank,
    knowledge.knowledge,
    predict.predict,
    embed.embed,
    models.models,
    gateway.gateway,
    mcp.mcp,
    demo.demo,
):
    app.command()(command)


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    """From a log of what people did to evaluated recommendations."""
    if show:
        from importlib.metadata import version as installed

        console.out.print(f"footpath {installed('footpath')}")
        raise typer.Exit()


def main() -> None:
    """Exit status 0: done. 2: the user can mend it, and the message says how. 1: our bug."""
    try:
        app()
    except FootpathError as error:
        console.err.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:  # the reader of stdout, such as `head`, has gone
        sys.stderr.close()
        sys.exit(0)
    except SystemExit as end:
        if end.code == STOPPED:  # Typer turns the interrupt into this status, and says nothing
            console.err.print("stopped; nothing half-written was kept")
        raise
