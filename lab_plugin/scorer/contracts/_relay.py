"""The turns between a scorer that asks and a candidate that answers; each has a clock of its own.

It stands between two sandboxes that never see each other. A question is carried as it is, for the scorer is
trusted; an answer is hostile, and is carried only when it keeps every rule, written anew in a canonical way.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lab_plugin.scorer.contracts._answers import AnswerFault, canonical_answer
from lab_plugin.scorer.contracts._turns import Closed, Late, Line, OutOfTurn, Told, TooLarge, Wake, accept

MAX_QUESTION = 64 << 20

SCORER_ENDED = b"s"
CANDIDATE_ENDED = b"c"
QUIT = b"q"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What both sides are held to.

    Attributes:
        candidate_seconds: For starting and for all answers together.
        scorer_seconds: For all that the scorer does itself, from the moment that the candidate is ready.
        answer_seconds: For one answer.
        answer_bytes: For one answer, as the candidate wrote it.
        questions: How many may be asked.
    """

    candidate_seconds: float
    scorer_seconds: float
    answer_seconds: float
    answer_bytes: int
    questions: int


class Breach(NamedTuple):
    """Why a conversation came to a bad end.

    Attributes:
        status: `rejected` (the candidate broke a rule) or `crashed`.
        reason: One sentence.
        gone: The candidate hung up; how its program ended may say more.
    """

    status: Literal["crashed", "rejected"]
    reason: str
    gone: bool = False


class _Ended(Exception):
    """The conversation is over."""


class Relay:
    """One conversation. Blocks: it runs in a thread of its own.

    Args:
        candidate: Listening for the candidate, not blocking.
        scorer: Listening for the scorer, not blocking.
        wake: Readable descriptor; each byte on it is a word of the lab.
        rules: What holds.

    Attributes:
        questions: Asked so far.
        spent: Seconds on the candidate's clock.
    """

    def __init__(self, candidate: socket.socket, scorer: socket.socket, wake: int, rules: Rules) -> None:
        self._listeners = (candidate, scorer)
        self._wake = Wake(wake)
        self._rules = rules
        self._candidate: Line | None = None
        self._scorer: Line | None = None
        self._scorer_spent = 0.0
        self._scorer_ended = False
        self.questions = 0
        self.spent = 0.0

    def run(self) -> Breach | None:
        """Carry questions and answers until the scorer has ended; None when no rule was broken."""
        try:
            self._candidate = self._meet()
            while (question := self._question()) is not None:
                self._turn(self._candidate, question)
            return self._part(self._candidate)
        except _Ended as ended:
            breach: Breach | None = ended.args[0]
            return breach

    def close(self) -> None:
        """Hang up on both sides."""
        for end in (*self._listeners, self._candidate, self._scorer):
            if end is not None:
                end.close()

    def _meet(self) -> Line:
        """The candidate, once it has connected; its clock runs."""
        began = time.monotonic()
        limit = self._rules.candidate_seconds
        deadline, has_ended = began + limit, False
        while True:
            try:
                line = accept(self._listeners[0], self._wake, deadline)
            except Late:
                if has_ended:
                    raise _gone("candidate ended without opening its channel") from None
                raise _Ended(Breach("crashed", f"candidate was not ready within {limit:g} s")) from None
            except Told as told:
                self._hear(told.word)
                if told.word == CANDIDATE_ENDED:
                    # It may have connected before: then what it said counts.
                    deadline, has_ended = 0.0, True
            else:
                # From now on its channel tells.
                self._wake.ignored = CANDIDATE_ENDED
                self.spent = time.monotonic() - began
                return line

    def _question(self) -> bytes | None:
        """The next question; None when the scorer has ended. Its clock runs."""
        began = time.monotonic()
        deadline = began + self._rules.scorer_seconds - self._scorer_spent
        while not self._scorer_ended:
            try:
                if self._scorer is None:
                    self._scorer = accept(self._listeners[1], self._wake, deadline)
                question = self._scorer.receive(MAX_QUESTION, deadline)
                self._scorer_spent += time.monotonic() - began
                self._count()
                return question
            except Told as told:
                self._hear(told.word)
            except Closed:
                self._await_end(deadline)
            except Late:
                raise self._slow_scorer() from None
            except TooLarge as large:
                raise _scorer_fault(
                    f"asked a question of {large.size:,} bytes; {MAX_QUESTION:,} are taken"
                ) from None
            except OutOfTurn:
                raise _scorer_fault("asked again before it had its answer") from None
        return None

    def _count(self) -> None:
        self.questions += 1
        if self.questions > self._rules.questions:
            raise _scorer_fault(f"asked more than {self._rules.questions:,} questions ([scorer] questions)")

    def _await_end(self, deadline: float) -> None:
        """The scorer has closed its side: it only has to end."""
        while not self._scorer_ended:
            try:
                self._wake.wait(deadline)
            except Told as told:
                self._hear(told.word)
            except Late:
                raise self._slow_scorer() from None

    def _turn(self, candidate: Line, question: bytes) -> None:
        """One question and its answer; the candidate's clock runs."""
        what = f"question {self.questions:,}"
        began = time.monotonic()
        left = self._rules.candidate_seconds - self.spent
        deadline = began + min(self._rules.answer_seconds, left)
        try:
            candidate.require_silent()
            answer = canonical_answer(self._ask(candidate, question, deadline))
        except Late:
            raise _rejected(self._lateness(what, left)) from None
        except Closed:
            raise _gone(f"candidate closed its channel before it answered {what}") from None
        except TooLarge as large:
            limit = f"more than {self._rules.answer_bytes:,} ([scorer] answer_bytes)"
            raise _rejected(f"candidate's answer to {what} has {large.size:,} bytes, {limit}") from None
        except OutOfTurn:
            raise _rejected(f"candidate spoke out of turn, around {what}") from None
        except AnswerFault as fault:
            raise _rejected(f"candidate's answer to {what} is refused: {fault}") from None
        self.spent += time.monotonic() - began
        self._hand_over(answer)

    def _lateness(self, what: str, left: float) -> str:
        rules = self._rules
        if rules.answer_seconds <= left:
            return (
                f"candidate did not answer {what} within {rules.answer_seconds:g} s ([scorer] answer_timeout)"
            )
        return f"candidate took more than {rules.candidate_seconds:g} s for all answers ([candidate] timeout)"

    def _ask(self, candidate: Line, question: bytes, deadline: float) -> bytes:
        try:
            candidate.send(question, deadline)
            return candidate.receive(self._rules.answer_bytes, deadline)
        except Told:
            # The scorer has ended, and nobody waits for this answer any more.
            raise _Ended(None) from None

    def _hand_over(self, answer: bytes) -> None:
        assert self._scorer is not None
        began = time.monotonic()
        deadline = began + self._rules.scorer_seconds - self._scorer_spent
        try:
            self._scorer.send(answer, deadline)
        except Late:
            raise self._slow_scorer() from None
        except Closed:
            # What the scorer made of it shows when it is asked for its next question.
            return
        except Told as told:
            self._hear(told.word)
        finally:
            self._scorer_spent += time.monotonic() - began

    def _part(self, candidate: Line) -> Breach | None:
        try:
            candidate.require_silent()
        except OutOfTurn:
            return Breach("rejected", "candidate spoke out of turn, after the last question")
        except Closed:
            return None
        return None

    def _hear(self, word: bytes) -> None:
        if word == QUIT:
            raise _Ended(None)
        if word == SCORER_ENDED:
            self._scorer_ended = True

    def _slow_scorer(self) -> _Ended:
        limit = self._rules.scorer_seconds
        return _scorer_fault(
            f"took more than {limit:g} s, its candidate's time not counted ([scorer] timeout)"
        )


def _rejected(reason: str) -> _Ended:
    return _Ended(Breach("rejected", reason))


def _gone(reason: str) -> _Ended:
    return _Ended(Breach("rejected", reason, gone=True))


def _scorer_fault(what: str) -> _Ended:
    return _Ended(Breach("crashed", f"scorer {what}"))
