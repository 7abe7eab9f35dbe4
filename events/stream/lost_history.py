"""Messages of events that the ledger does not have: history was lost, and subscribers were told of it.

In: such messages of the stream. Out: a new epoch for their merchants, a word to the operator, and a stream
without them. A ledger loses history when a backup is restored or an asynchronous standby takes over; what was
published of it stays in the stream, with values of people whom no erasure would ever reach. The new epoch
comes first: it tells those who have read such a message, and it is made of the message's own, so that it
rises once however often this is interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from events.database import Connection
from events.queries import RAISE_EPOCHS
from events.stream.answers import StreamMessage
from events.stream.claims import Claim, claim_of, known
from events.stream.jetstream import JetStream
from events.wire.message import STREAM, subject_of

AT_ONCE = 64
"""Messages that are looked at between two words with the database, which ends sessions that are silent."""
REASON = "the stream has events that the ledger does not have"

log = structlog.get_logger(__name__)


class LostHistory:
    """Finds and removes what a ledger does not have. One at a time; nothing may be published meanwhile."""

    def __init__(self, session: Connection, stream: JetStream) -> None:
        self._session = session
        self._stream = stream

    async def remove(self, foreign: Sequence[StreamMessage]) -> None:
        """Raise the epochs of the merchants that these tell of, and delete those that are of our making.

        What is not even that is told and left alone. Raises StoreError, BrokerError.
        """
        ours: list[StreamMessage] = []
        for message in foreign:
            claim = claim_of(message)
            _tell(message, claim)
            ours += [message] if claim.position else []
        if not ours:
            return
        claims = [claim_of(message) for message in ours]
        merchant_ids, epochs = [one.merchant_id for one in claims], [one.epoch + 1 for one in claims]
        for row in await self._session.fetch(RAISE_EPOCHS, merchant_ids, epochs, REASON):
            log.critical(
                "history_lost", merchant_id=row["merchant_id"], epoch=row["epoch"], position=row["position"]
            )
        await self._stream.delete(STREAM, [message.sequence for message in ours])

    async def remove_from(self, merchant_id: str, last: StreamMessage) -> int:
        """The same for all of a merchant's messages, the last of which the ledger does not have.

        The position of its last message that the ledger has, 0 if there is none.
        """
        sequence, reached = await self._last_known(merchant_id, last.sequence)
        while messages := await self._page_after(merchant_id, sequence):
            true = await known(self._session, messages)
            reached = max([reached, *(position for _, position, _ in true)])
            await self.remove([message for message in messages if claim_of(message).place not in true])
            sequence = messages[-1].sequence
        return reached

    async def _last_known(self, merchant_id: str, end: int) -> tuple[int, int]:
        """Sequence and position of the last message before those that the ledger does not have; 0 for none.

        Halved until it is found: a merchant's messages are in the order of its ledger, and what was lost is
        its end.
        """
        low, reached, high = 0, 0, end - 1
        while low < high:
            middle = (low + high) // 2
            message, is_known = await self._claimed_after(merchant_id, middle)
            if message is not None and is_known:
                low, reached = message.sequence, claim_of(message).position
            else:
                high = middle
        return low, reached

    async def _claimed_after(self, merchant_id: str, sequence: int) -> tuple[StreamMessage | None, bool]:
        """The merchant's first message beyond a sequence that claims anything; whether the ledger has it."""
        subjects = subject_of(merchant_id, "*")
        message = await self._stream.first(STREAM, subjects, after=sequence)
        while message is not None and not claim_of(message).position:
            message = await self._stream.first(STREAM, subjects, after=message.sequence)
        return message, message is not None and bool(await known(self._session, [message]))

    async def _page_after(self, merchant_id: str, sequence: int) -> list[StreamMessage]:
        messages: list[StreamMessage] = []
        while len(messages) < AT_ONCE:
            message = await self._stream.first(STREAM, subject_of(merchant_id, "*"), after=sequence)
            if message is None:
                break
            messages.append(message)
            sequence = message.sequence
        return messages


def _tell(message: StreamMessage, claim: Claim) -> None:
    log.critical(
        "foreign_message",
        sequence=message.sequence,
        subject=message.subject,
        position=claim.position,
        epoch=claim.epoch,
        hash=claim.hash.hex(),
    )
