"""`python -m listeval`, and what the command `listeval` calls: signals are seen to before anything is imported."""

from listeval.cli import signals


def main() -> None:
    """Run the command line and exit with its code."""
    signals.leave_at_once()
    from listeval.cli import launched, streams

    streams.open_closed()
    at_exit = launched.AtExit() if launched.beside_others() else None
    from listeval.cli.main import main as run

    try:
        run()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 0
        # Leaving takes a while where torch was imported, and there is nothing left to interrupt.
        signals.leave_at_once(code)
        if at_exit is not None:
            at_exit.code = code
        raise


if __name__ == "__main__":
    main()
