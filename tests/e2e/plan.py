"""Which cases run in which combinations of what can be configured.

Layer: tests/e2e.
"""

import collections
import itertools
import random

FACTORS = collections.OrderedDict(
    intercept=("sk_lookup", "tproxy", "sockets"),
    family=(4, 6),
    user=("root", "nobody"),
    epm=("rewrite", "track", "answer", "pass"),
    admit=("announced", "leased", "any"))
LAYOUTS = ("same", "swapped", "disjoint")
CHOICES = 40


class Combination(collections.namedtuple("Combination",
                                         [*FACTORS, "layout"])):
    """A way of listening, a family of addresses, a user, what becomes of the
    endpoint mapper's answers, who may connect, a layout of the servers'
    ports.  Without a balancer epm and admit are None."""

    def __str__(self):
        words = [self.intercept, f"ipv{self.family}", self.user, self.epm,
                 self.admit, self.layout]
        return "-".join(word for word in words if word)

    @property
    def is_virtual(self):
        """Clients are told ports that the servers do not have."""
        return self.epm in ("rewrite", "answer")

    @property
    def is_refused_late(self):
        """The kernel completes connections that the balancer then resets."""
        return self.intercept == "sockets" and self.admit == "leased"


def laid_out(rows):
    """Combinations of rows of values: each mode of the endpoint mapper sees
    the layouts of the servers' ports in turn."""
    turns = {epm: itertools.cycle(LAYOUTS) for epm in FACTORS["epm"]}
    at = list(FACTORS).index("epm")
    return [Combination(*row, next(turns[row[at]])) for row in rows]


def rows():
    """The values of the factors, in every way that makes sense: with pass
    nobody is told of a port, so with leased nobody could connect to one."""
    return [row for row in itertools.product(*FACTORS.values())
            if row[-2:] != ("pass", "leased")]


def all_combinations():
    return laid_out(rows())


def pairwise_combinations():
    """Few combinations in which every pair of values occurs: the shortest
    of several greedy choices, always the same."""
    chosen = min((pairwise_rows(random.Random(seed))
                  for seed in range(CHOICES)), key=len)
    # servers start anew for another layout
    return sorted(laid_out(chosen), key=lambda each: each.layout)


def pairwise_rows(chance):
    left = rows()
    chance.shuffle(left)
    pairs = {row: frozenset(itertools.combinations(enumerate(row), 2))
             for row in left}
    missing = set().union(*pairs.values())
    chosen = []
    while missing:
        best = max(left, key=lambda row: len(pairs[row] & missing))
        missing -= pairs[best]
        chosen.append(best)
    return chosen


def other_combinations(kind):
    """For what is not mapilbd: the families and the layouts."""
    return [Combination(kind, family, "root", None, None, layout)
            for family, layout in zip(itertools.cycle(FACTORS["family"]),
                                      LAYOUTS * 2)]


def spread(cases, combinations):
    """The cases of each combination, when not every case runs in every one:
    what a case names in <per> occurs with each of its values, in as few
    combinations as that takes, those that have the least to do first."""
    chosen = {combination: [] for combination in combinations}
    for case in sorted(cases, key=lambda case: bool(case.per)):
        able = [each for each in combinations if case.fits(each)]
        for each in covering(case.per, able, chosen) if case.per else able:
            chosen[each].append(case)
    return {combination: [case for case in cases if case in selected]
            for combination, selected in chosen.items()}


def covering(factors, able, load):
    """Combinations in which every value of some factors occurs."""
    def values(combination):
        return {(name, getattr(combination, name)) for name in factors}
    missing = set().union(*map(values, able))
    while missing:
        best = max(able, key=lambda each: (len(values(each) & missing),
                                           -len(load[each])))
        missing -= values(best)
        yield best


def select(kind, cases, every):
    """(combination, its cases) for everything that is to run."""
    cases = [case for case in cases if kind in case.on]
    if kind != "mapilbd":
        chosen = spread_all(cases, other_combinations(kind))
    elif every:
        chosen = spread_all(cases, all_combinations())
    else:
        chosen = spread(cases, pairwise_combinations())
    return [(combination, selected)
            for combination, selected in chosen.items() if selected]


def spread_all(cases, combinations):
    return {combination: [case for case in cases if case.fits(combination)]
            for combination in combinations}
