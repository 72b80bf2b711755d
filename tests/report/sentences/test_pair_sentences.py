"""What is said of the pair that people find most alike is what the matrices hold."""

from __future__ import annotations

import itertools

import numpy as np
from reading import checks, read, says, table_read

from aisthesis.report.similarity.pair import pair_by_network, pair_by_people


@checks("similarity.pair.pair_by_people", "similarity.pair.pair_by_network")
def test_the_most_alike_pair():
    for k in range(60):
        rng = np.random.default_rng(k)
        n = int(rng.integers(2, 7))
        pairs = list(itertools.combinations(range(n), 2))
        # Many ties, gaps, values below zero; sometimes one value alone, or nothing judged.
        human = np.full((n, n), np.nan)
        network = np.zeros((n, n))
        for i, j in pairs:
            values = [0.5] if k % 5 == 0 else [np.nan, -0.25, 0.5, 1.5]
            human[i, j] = human[j, i] = np.nan if k % 17 == 0 else rng.choice(values)
            network[i, j] = network[j, i] = np.nan if k % 7 == 0 else rng.choice([0.1, 0.4, 1.3])
        names = tuple(f"{letter}.png" for letter in "abcdefg"[:n])
        judged = [(human[p], p) for p in pairs if np.isfinite(human[p])]
        table_read()
        said = pair_by_people(names, human), pair_by_network(human, network)
        if not judged:
            assert said == ("", "")
            continue
        least, first = min(judged)
        equal = sum(value == least for value, _ in judged)
        others = [network[p] for _, p in judged if p != first and np.isfinite(network[p])]

        def people(found, judged=judged, least=least, first=first, equal=equal, names=names):
            found = found.groupdict()
            says(found["d"], least)
            assert (found["a"], found["b"]) == tuple(names[i] for i in first)
            assert int(found.get("n", 1)) == len(judged)
            assert ("k" in found) == (1 < equal < len(judged))
            assert int(found.get("k", equal)) == equal
            if "max" in found:
                says(found["max"], max(judged)[0])

        def by_network(found, network=network, first=first, others=others):
            found = found.groupdict()
            own = network[first]
            says(found["r"], 1 - own)
            nearer = sum(value < own for value in others)
            assert int(found.get("n", 0)) == nearer
            if "m" in found:
                assert int(found["m"]) == len(others)

        def undefined(found, network=network, first=first):
            assert np.isnan(network[first])

        pair, d = r"(?P<a>\w\.png) and (?P<b>\w\.png)", r"\(mean dissimilarity (?P<d>[−.\d]+)"
        most = r"; the largest is (?P<max>[−.\d]+)\)"
        read(said[0], {
            rf"Only one pair was judged: {pair} {d}\)\.": people,
            rf"People find all (?P<n>\d+) pairs equally alike {d}\); the first is {pair}\.": people,
            rf"Of (?P<n>\d+) judged pairs, people find (?P<k>\d+) equally alike and more so than "
            rf"the rest {d}{most}; the first of them is {pair}\.": people,
            rf"Of (?P<n>\d+) judged pairs, people find {pair} the most alike {d}{most}\.": people,
        })  # fmt: skip
        r = r"The network’s similarity of the two is r = (?P<r>[−.\d]+)"
        read(said[1], {
            rf"{r}\.": by_network,
            rf"{r}: it finds none of the judged pairs more alike\.": by_network,
            rf"{r}: it finds (?P<n>\d+) of the (?P<m>\d+) other pairs more alike\.": by_network,
            r"The network’s similarity of the two is undefined: an embedding is constant\.": undefined,
        })  # fmt: skip
