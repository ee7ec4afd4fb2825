"""A signal waits for a safe point; a second one does not."""

import os
import signal
import threading

import pytest

from listeval.runs.interrupts import Interrupts


def test_the_first_signal_waits_for_a_check():
    done = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        done.append("written")
        interrupts.check()
        done.append("never")
    assert done == ["written"]


def test_the_second_signal_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt), Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("first")
        os.kill(os.getpid(), signal.SIGINT)
        done.append("second")
    assert done == ["first"]


def test_a_signal_without_a_check_is_told_at_the_end():
    with pytest.raises(KeyboardInterrupt), Interrupts():
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back_and_an_error_is_not_hidden():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ValueError), Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_another_thread_changes_no_handler():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
