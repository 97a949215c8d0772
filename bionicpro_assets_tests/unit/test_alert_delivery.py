from datetime import UTC, datetime, timedelta
from itertools import pairwise

from bionicpro_assets.alerts.channels import DeliveryError
from bionicpro_assets.alerts.delivery import KEPT, KEPT_REFUSED, QUEUE_LENGTH, SECONDS_A_TICK, Queued, deliver
from bionicpro_assets.alerts.problem import Message

START = datetime(2026, 11, 24, 8, tzinfo=UTC)
TICK = timedelta(seconds=30)


class Recorder:
    """A channel that keeps what it was given, or refuses it."""

    def __init__(self, name):
        self.name, self.taken, self.tries, self.error, self.seconds, self.clock = name, [], 0, None, 0, None

    def send(self, message):
        self.tries += 1
        if self.clock:
            self.clock.now += self.seconds
        error = self.error(message) if callable(self.error) else self.error
        if error:
            raise error
        self.taken.append(message.id)
        return ""


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def queue(*ids, at=START, channels=("e-mail", "webhook")):
    return [Queued(Message(i, f"subject {i}", "body"), at, tuple(channels)) for i in ids]


def test_each_channel_gets_each_message_once_in_order():
    mail, hook = Recorder("e-mail"), Recorder("webhook")
    done = deliver(queue("1", "2", "3"), {}, [mail, hook], START)
    assert (mail.taken, hook.taken, done.queue, done.troubles, done.said) == (["1", "2", "3"],) * 2 + ([], {}, [])


def test_what_one_channel_took_is_not_sent_there_again_when_the_other_recovers():
    mail, hook = Recorder("e-mail"), Recorder("webhook")
    hook.error = DeliveryError("answers 500.")
    done = deliver(queue("1", "2"), {}, [mail, hook], START)
    hook.error = None
    done = deliver(done.queue, done.troubles, [mail, hook], START + TICK)
    assert (mail.taken, hook.taken, done.queue, done.troubles) == (["1", "2"], ["1", "2"], [], {})


def test_a_channel_that_is_down_is_tried_at_the_next_tick_and_then_ever_more_rarely():
    mail = Recorder("e-mail")
    mail.error = DeliveryError("down.")
    done, tries = deliver(queue("1", "2"), {}, [mail], START), []
    for i in range(1, 241):
        before = mail.tries
        done = deliver(done.queue, done.troubles, [mail], START + i * TICK)
        tries += [i] if mail.tries > before else []
    assert tries[:5] == [1, 2, 5, 12, 27]
    assert max(b - a for a, b in pairwise(tries)) == 30
    assert mail.tries == 1 + len(tries), "a server that is down is asked once, not once a message"


def test_a_message_that_is_refused_does_not_hold_up_the_others_and_is_given_up():
    mail = Recorder("e-mail")
    mail.error = lambda m: DeliveryError("refuses the message (554).", refused=True) if m.id == "1" else None
    done = deliver(queue("1", "2", channels=["e-mail"]), {}, [mail], START)
    assert (mail.taken, [q.message.id for q in done.queue]) == (["2"], ["1"])
    done = deliver(done.queue, {}, [mail], START + KEPT_REFUSED)
    assert done.queue == []
    assert "e-mail: given up undelivered: subject 1" in done.said


def test_a_bug_in_a_channel_is_a_failed_delivery_without_its_text():
    mail, hook = Recorder("e-mail"), Recorder("webhook")
    mail.error = RuntimeError("s3cret")
    done = deliver(queue("1"), {}, [mail, hook], START)
    assert hook.taken == ["1"]
    assert done.said == ["e-mail: sending fails with RuntimeError."]


def test_slow_channels_leave_the_tick_in_time_and_the_rest_for_the_next_one():
    clock, mail, hook = Clock(), Recorder("e-mail"), Recorder("webhook")
    mail.clock, mail.seconds = clock, 10
    done = deliver(queue("1", "2", "3", "4", "5"), {}, [mail, hook], START, clock=clock)
    assert clock.now <= SECONDS_A_TICK + 10
    assert (mail.taken, hook.taken) == (["1", "2", "3"], [])
    done = deliver(done.queue, done.troubles, [mail, hook], START + TICK, clock=clock)
    assert (mail.taken, hook.taken, done.queue) == (["1", "2", "3", "4", "5"], ["1", "2", "3", "4", "5"], [])


def test_what_was_for_a_channel_that_is_gone_is_dropped():
    mail = Recorder("e-mail")
    done = deliver(queue("1", channels=["webhook"]), {}, [mail], START)
    assert (done.queue, mail.taken) == ([], [])


def test_the_queue_has_an_end():
    mail = Recorder("e-mail")
    mail.error = DeliveryError("down.")
    done = deliver(queue(*map(str, range(QUEUE_LENGTH + 7))), {}, [mail], START)
    assert [q.message.id for q in done.queue] == [str(i) for i in range(7, QUEUE_LENGTH + 7)]
    assert sum("given up" in s for s in done.said) == 7
    assert deliver(done.queue, done.troubles, [mail], START + KEPT).queue == []
