"""The rater against the model: random histories, exactly.

TALLYMAN_HISTORIES = how many, TALLYMAN_SEED = the first seed. What fails is made small, kept below
build/tests and can be run again: tests/model/replay FILE.
"""
import json
import os

import pytest

import compare
import history
import shrink

COUNT = int(os.environ.get("TALLYMAN_HISTORIES", 20000 if os.environ.get("TALLYMAN_FULL") else 1000))
FIRST = int(os.environ.get("TALLYMAN_SEED", 1))
BATCH = 50


# Given random histories of readings and a catalogue, when the rater has taken their batches in
# several orders, some of them repeatedly, and closes, then it says what the model says, and the
# records of all orders are the same to the byte.
@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, BATCH))
def test_rater_and_model_agree(driver, build, first):
    seeds = range(first, min(first + BATCH, FIRST + COUNT))
    histories = [history.make(seed) for seed in seeds]
    for made, answer in zip(histories, compare.rate(driver, histories)):
        found = compare.problems(made, answer)
        if not found:
            continue
        small = shrink.shrink(driver, made)
        kept = build / "tests" / f"history-{made['seed']}.json"
        kept.write_text(json.dumps(small, indent=1))
        pytest.fail(f"seed {made['seed']}: {found[0][:600]}\n"
                    f"made small: tests/model/replay {kept}", pytrace=False)
