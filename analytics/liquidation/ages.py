"""Mass by age of entry, for the policies that ask who came first: few cohorts, in strict order, finer where younger."""

import numpy as np

from analytics.liquidation.state import Mass, nothing, summed

MOST = 8  # cohorts: with hours at one end and a month at the other, each is about 2.5 times as old as the one before
HOUR_MS = 3_600_000


def aged(cohorts: list[Mass], born: list[int], t: int) -> None:
    """Begin a cohort where `t`, the end of a bar [ms UTC], lies in a new hour. Where they are too many, the two
    neighbours become one whose ages differ least by ratio; what was there before anyone looked stays apart."""
    hour = (t - 1) // HOUR_MS * HOUR_MS
    if hour <= born[0]:
        return
    cohorts.insert(0, nothing(len(cohorts[0].total)))
    born.insert(0, hour)
    if len(born) > MOST:
        ends = np.array([t, *born], np.float64)  # cohort k holds what entered from born[k] until ends[k]
        alike = (t - ends[1:-2]) / (t - np.array(born[2:]))
        k = 1 + int(np.argmax(alike))
        cohorts[k : k + 2] = [summed(cohorts[k : k + 2])]
        del born[k]
