"""The user's audio that the server may not have taken yet, kept to be sent again.

Three kinds lie here, oldest first: audio of messages whose words are not known yet, audio that our
commit has closed and the server has not confirmed, and audio since the last commit. Together they
never exceed a bound of bytes; beyond it the oldest goes. What goes of the first kind makes its
message one without content; what goes of the others is counted to the byte.

Half a minute of sound would be the largest thing that a session holds, and hardly any of it is ever
sent again: whole pieces lie packed, without loss.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from voxloop.audio import Packed
from voxloop.realtime.machine.parts import replace

BYTES_PER_SECOND = 48_000
"""Of PCM16 mono at 24,000 Hz."""
PIECE_BYTES = BYTES_PER_SECOND // 10
"""Longest piece that small ones are joined to: what one append holds when it is sent again."""


class Rest(Struct, frozen=True):
    """What is left of a packed piece whose first bytes have gone."""

    piece: Packed
    gone: int

    def __len__(self) -> int:
        return len(self.piece) - self.gone

    def __bytes__(self) -> bytes:
        return bytes(self.piece)[self.gone :]


Piece: TypeAlias = bytes | Packed | Rest
"""Some of the audio; ``bytes(piece)`` is what came, ``len(piece)`` how much that is."""


class Segment(Struct, frozen=True, kw_only=True):
    """Audio between two commits.

    Attributes:
        name: Id of the commit that closed it, or of the message that it became.
        pieces: The audio.
        dropped: Bytes that are missing in front.
    """

    name: str
    pieces: tuple[Piece, ...] = ()
    dropped: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes that are there."""
        return sum(map(len, self.pieces))


class Ring(Struct, frozen=True, kw_only=True):
    """All audio that is kept.

    Attributes:
        limit: Bytes that are kept at most.
        said: Audio of messages without a transcript, by message.
        closing: Audio that a commit of ours has closed, by commit.
        pieces: Audio since then.
        dropped: Bytes missing in front of ``pieces``.
        nbytes: Bytes of all of it.
        start: Where ``pieces`` begin in the audio sent on this connection, in bytes; what is
            missing in front of them counts.
        end: Bytes sent on this connection.
    """

    limit: int
    said: tuple[Segment, ...] = ()
    closing: tuple[Segment, ...] = ()
    pieces: tuple[Piece, ...] = ()
    dropped: int = 0
    nbytes: int = 0
    start: int = 0
    end: int = 0

    @property
    def open_bytes(self) -> int:
        """Bytes since the last commit, without what was dropped."""
        return sum(map(len, self.pieces))

    @property
    def lost(self) -> int:
        """Bytes that would be missing if all had to be sent again."""
        return self.dropped + sum(segment.dropped for segment in self.closing)


def empty(seconds: float, bytes_per_second: int = BYTES_PER_SECOND) -> Ring:
    """A ring for so many seconds of audio."""
    return Ring(limit=int(seconds * bytes_per_second) & ~1)


def append(ring: Ring, data: bytes) -> Ring:
    """Keep audio that is sent now; small pieces are joined, and packed once they are whole."""
    pieces = ring.pieces
    last = pieces[-1] if pieces else None
    if isinstance(last, bytes) and len(last) + len(data) <= PIECE_BYTES:
        pieces = (*pieces[:-1], _packed(last + data))
    elif isinstance(last, bytes):
        pieces = (*pieces[:-1], Packed(last), _packed(data))
    else:
        pieces = (*pieces, _packed(data))
    longer = Ring(
        limit=ring.limit,
        said=ring.said,
        closing=ring.closing,
        pieces=pieces,
        dropped=ring.dropped,
        nbytes=ring.nbytes + len(data),
        start=ring.start,
        end=ring.end + len(data),
    )
    return longer if longer.nbytes <= ring.limit else _shortened(longer)


def commit(ring: Ring, name: str) -> Ring:
    """A commit of ours closes what is open."""
    segment = Segment(name=name, pieces=ring.pieces, dropped=ring.dropped)
    return replace(ring, closing=(*ring.closing, segment), pieces=(), dropped=0, start=ring.end)


def clear(ring: Ring) -> Ring:
    """Forget what is open."""
    rest = ring.nbytes - ring.open_bytes
    return replace(ring, pieces=(), dropped=0, nbytes=rest, start=ring.end)


def confirmed(ring: Ring, item_id: str) -> Ring:
    """The server has taken what our oldest commit closed; it became a message."""
    if not ring.closing:
        return ring
    first, *rest = ring.closing
    return _became(replace(ring, closing=tuple(rest)), item_id, first)


def refused(ring: Ring, name: str | None) -> Ring:
    """The server has refused a commit, the oldest if it is not named; nothing is to be repeated."""
    if not ring.closing:
        return ring
    bad = next((s for s in ring.closing if s.name == name), ring.closing[0])
    rest = tuple(segment for segment in ring.closing if segment is not bad)
    return replace(ring, closing=rest, nbytes=ring.nbytes - bad.nbytes)


def taken(ring: Ring, item_id: str, until: int | None) -> Ring:
    """The server has ended a turn by itself; what our commits in flight have closed comes first.

    Args:
        ring: What is kept.
        item_id: The message that it became.
        until: Where the turn ended in the audio sent on this connection, in bytes; None: where our
            oldest commit stands, or at the last byte that was sent.
    """
    closed = sum(segment.dropped + segment.nbytes for segment in ring.closing)
    if until is None:
        first = ring.closing[0] if ring.closing else None
        inside = ring.end if first is None else first.dropped + first.nbytes
    else:
        inside = until - (ring.start - closed)
    inside = max(0, inside)
    turn = Segment(name=item_id)
    closing: list[Segment] = []
    for segment in ring.closing:
        part, rest = _cut(segment, inside)
        inside -= part.dropped + part.nbytes
        turn = _joined(turn, part)
        closing.append(rest)
    part, rest = _cut(Segment(name="", pieces=ring.pieces, dropped=ring.dropped), inside)
    turn = _joined(turn, part)
    shorter = replace(
        ring,
        closing=tuple(closing),
        pieces=rest.pieces,
        dropped=rest.dropped,
        start=ring.start + part.dropped + part.nbytes,
    )
    return _became(shorter, item_id, turn)


def known(ring: Ring, item_id: str) -> Ring:
    """The words of a message are known, or it is gone: its audio is not needed any more."""
    found = [segment for segment in ring.said if segment.name == item_id]
    if not found:
        return ring
    rest = tuple(segment for segment in ring.said if segment.name != item_id)
    return replace(ring, said=rest, nbytes=ring.nbytes - sum(s.nbytes for s in found))


def again(ring: Ring) -> Ring:
    """All of it is sent on another connection now; what is missing has been reported."""
    closing = tuple(replace(segment, dropped=0) for segment in ring.closing)
    before = sum(segment.nbytes for segment in closing)
    return replace(
        ring, closing=closing, dropped=0, start=before, end=before + ring.open_bytes, said=ring.said
    )


def _cut(segment: Segment, count: int) -> tuple[Segment, Segment]:
    """The first bytes of a segment, and the rest."""
    dropped = min(segment.dropped, count)
    count = min(count - dropped, segment.nbytes)
    rest = _without(segment.pieces, count)
    first = segment.pieces[: len(segment.pieces) - len(rest)]
    whole = sum(map(len, first))
    if whole < count:  # the cut lies within a piece
        first = (*first, bytes(segment.pieces[len(first)])[: count - whole])
    return (
        replace(segment, pieces=first, dropped=dropped),
        replace(segment, pieces=rest, dropped=segment.dropped - dropped),
    )


def _joined(one: Segment, other: Segment) -> Segment:
    return replace(one, pieces=(*one.pieces, *other.pieces), dropped=one.dropped + other.dropped)


def _became(ring: Ring, item_id: str, segment: Segment) -> Ring:
    if segment.dropped or not segment.pieces:  # a part of a message is not sent as the message
        return replace(ring, nbytes=ring.nbytes - segment.nbytes)
    return replace(ring, said=(*ring.said, replace(segment, name=item_id)))


def _shortened(ring: Ring) -> Ring:
    excess = ring.nbytes - ring.limit
    if not ring.said and not ring.closing:  # the common case, and it comes with every frame
        return replace(
            ring,
            pieces=_without(ring.pieces, excess),
            dropped=ring.dropped + excess,
            nbytes=ring.limit,
        )
    said = list(ring.said)
    while said and excess > 0:
        excess -= said.pop(0).nbytes
    closing = list(ring.closing)
    for index, segment in enumerate(closing):
        gone = min(max(0, excess), segment.nbytes)
        closing[index] = replace(
            segment, pieces=_without(segment.pieces, gone), dropped=segment.dropped + gone
        )
        excess -= gone
    gone = max(0, excess)
    shorter = replace(
        ring,
        said=tuple(said),
        closing=tuple(closing),
        pieces=_without(ring.pieces, gone),
        dropped=ring.dropped + gone,
    )
    held = sum(s.nbytes for s in (*shorter.said, *shorter.closing)) + shorter.open_bytes
    return replace(shorter, nbytes=held)


def _without(pieces: tuple[Piece, ...], count: int) -> tuple[Piece, ...]:
    index = 0
    while index < len(pieces) and count >= len(pieces[index]):
        count -= len(pieces[index])
        index += 1
    if count == 0 or index == len(pieces):
        return pieces[index:]
    return (_behind(pieces[index], count), *pieces[index + 1 :])


def _packed(data: bytes) -> bytes | Packed:
    """Packed, if it is whole: nothing will be joined to it."""
    return Packed(data) if len(data) >= PIECE_BYTES else data


def _behind(piece: Piece, count: int) -> Piece:
    """A piece without its first bytes; a full ring asks for it with every frame."""
    if isinstance(piece, Packed):
        return Rest(piece, count)
    if isinstance(piece, Rest):
        return Rest(piece.piece, piece.gone + count)
    return piece[count:]
