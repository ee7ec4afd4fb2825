"""`python -m listeval`, and what the command `listeval` calls: signals are seen to before anything is imported."""

from listeval.cli import signals


def main() -> None:
    """Run the command line and exit with its code."""
    signals.leave_at_once()
    from listeval.cli.main import main as run

    try:
        run()
    except SystemExit as done:
        # Leaving takes a while where torch was imported, and there is nothing left to interrupt.
        signals.leave_at_once(done.code if isinstance(done.code, int) else 0)
        raise


if __name__ == "__main__":
    main()
