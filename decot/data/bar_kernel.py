"""The compiled steps that turn quotes and trades into bars. Knows one state array, no frames and no clock but it.

Order flow imbalance is that of Cont, Kukanov and Stoikov, "The Price Impact of Order Book Events" (2014),
eq. 4–5, summed over the bar's updates of the best quotes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Slots of the state: the clock, the current book, the bar under way, what is carried.
END, CLOCK, BOOKS, _TRADED, _LATE = 0, 1, 2, 3, 4
_BID, _BQ, _ASK, _AQ = 5, 6, 7, 8  # _BID + 4 … + 7 hold the 5- and 20-level sums
_UPDATED = 13
_OPEN, _HIGH, _LOW, _CLOSE, _NEW, _OFI = 14, 15, 16, 17, 18, 19
_PRICE, _VOLUME, _BUY, _SELL, _N, _QUOTE = 20, 21, 22, 23, 24, 25
_STARTED = 26
SIZE = 27


@njit(cache=True)
def close_bar(s: Any, late: Any, out: Any) -> None:
    """Write the bar under way into `out` (21 values) and start the next one."""
    if s[_NEW] == 0.0:
        s[_OPEN] = s[_HIGH] = s[_LOW] = s[_CLOSE]
    else:
        s[_LATE] = np.median(late)
    out[0], out[1], out[2], out[3] = s[_OPEN], s[_HIGH], s[_LOW], s[_CLOSE]
    out[4] = s[_PRICE] if s[_TRADED] > 0.0 else s[_CLOSE]
    out[5], out[6], out[7], out[8] = s[_VOLUME], s[_BUY], s[_SELL], s[_N]
    out[9] = s[_QUOTE] / s[_VOLUME] if s[_VOLUME] > 0.0 else s[_CLOSE]
    out[10], out[11], out[12], out[13] = s[_BID], s[_ASK], s[_BQ], s[_AQ]
    for k in range(4):
        out[14 + k] = s[_BID + 4 + k]
    out[18] = s[_OFI]
    out[19] = (s[END] - s[_UPDATED]) / 1000.0
    out[20] = s[_LATE]
    begin_bar(s)


@njit(cache=True)
def begin_bar(s: Any) -> None:
    """Forget what is counted within one bar; the book, the last price and the lateness are carried."""
    s[_NEW] = s[_OFI] = s[_VOLUME] = s[_BUY] = s[_SELL] = s[_N] = s[_QUOTE] = 0.0


@njit(cache=True)
def end_of(t: int, clock_us: int) -> int:
    """The end of the bar in which the moment t lies."""
    return -(-t // clock_us) * clock_us


@njit(cache=True)
def bars_due(s: Any, t: int) -> int:
    """How many bars must be closed before an event at t; moves an unstarted clock instead."""
    end, clock_us = int(s[END]), int(s[CLOCK])
    if t <= end:
        return 0
    if s[BOOKS] == 0.0:
        if s[_STARTED] > 0.0:
            begin_bar(s)
        s[_STARTED] = 1.0
        s[END] = float(end_of(t, clock_us))
        return 0
    return (end_of(t, clock_us) - end) // clock_us


@njit(cache=True)
def take_quote(s: Any, t: int, row: Any) -> None:
    """One update of the book: bid, bid_qty, ask, ask_qty, then both 5-level and both 20-level sums."""
    bid, bq, ask, aq = row[0], row[1], row[2], row[3]
    if s[BOOKS] > 0.0:
        flow = 0.0
        if bid >= s[_BID]:
            flow += bq
        if bid <= s[_BID]:
            flow -= s[_BQ]
        if ask <= s[_ASK]:
            flow -= aq
        if ask >= s[_ASK]:
            flow += s[_AQ]
        s[_OFI] += flow
    for k in range(8):
        s[_BID + k] = row[k]
    mid = 0.5 * (bid + ask)
    if s[_NEW] == 0.0:
        s[_OPEN] = s[_HIGH] = s[_LOW] = mid
    s[_HIGH] = max(s[_HIGH], mid)
    s[_LOW] = min(s[_LOW], mid)
    s[_CLOSE] = mid
    s[_NEW] += 1.0
    s[BOOKS] = 1.0
    s[_UPDATED] = float(t)


@njit(cache=True)
def take_trade(s: Any, price: float, quantity: float, side: float) -> None:
    """One trade; a side of 0 counts in the volume only."""
    s[_PRICE] = price
    s[_TRADED] = 1.0
    s[_VOLUME] += quantity
    s[_QUOTE] += price * quantity
    s[_N] += 1.0
    if side > 0.0:
        s[_BUY] += quantity
    elif side < 0.0:
        s[_SELL] += quantity


@njit(cache=True)
def walk(
    s: Any,
    book_t: Any,
    late: Any,
    books: Any,
    trade_t: Any,
    prices: Any,
    quantities: Any,
    sides: Any,
    out: Any,
    ends: Any,
) -> int:
    """Merge both streams in time, closing bars as they end; returns how many bars were written."""
    i = j = n = first = 0
    while i < len(book_t) or j < len(trade_t):
        is_book = j == len(trade_t) or (i < len(book_t) and book_t[i] <= trade_t[j])
        t = book_t[i] if is_book else trade_t[j]
        for _ in range(bars_due(s, t)):
            ends[n] = int(s[END])
            close_bar(s, late[first:i], out[n])
            s[END] += s[CLOCK]
            first = i
            n += 1
        if is_book:
            take_quote(s, t, books[i])
            i += 1
        else:
            take_trade(s, prices[j], quantities[j], sides[j])
            j += 1
    ends[n] = int(s[END])
    close_bar(s, late[first:i], out[n])
    return n + 1
