"""Agent and rater killed with -9 at random moments, overlapping, again and again on one state."""
import random
import time

import proof
from crash_site import CrashSite, Found, harness

TOGETHER = 5   # one round in so many kills both before either is started again, and looks
CALM = 6       # and one lets them run for longer, so that what piled up flows


def events_of(chance):
    """[(seconds, what)] of one round, ascending: each daemon is killed once and started again."""
    window = chance.choice((0.15, 0.6, 1.5))
    out = []
    for name in ("agent", "rater"):
        at = chance.uniform(0, window)
        out += [(at, f"kill_{name}"), (at + chance.choice((0, chance.uniform(0, 0.4))), f"start_{name}")]
    return sorted(out, key=lambda event: event[0])


def one_round(site, chance, number):
    if number % CALM == CALM - 1:
        before = site.acknowledged()
        harness.wait_for("batches to be acknowledged again", lambda: site.acknowledged() > before + 3)
    if number % TOGETHER == TOGETHER - 1:
        time.sleep(chance.uniform(0, 1))
        for kill in chance.sample((site.kill_agent, site.kill_rater), 2):
            kill()
        site.check_dead()
        for start in chance.sample((site.start_agent, site.start_rater), 2):
            start()
        return
    begun = time.monotonic()
    for at, what in events_of(chance):
        time.sleep(max(0, begun + at - time.monotonic()))
        site.expect_alive()
        getattr(site, what)()


def campaign(directory, rounds, seed):
    """(kills, lost, twice, wrong, words about it)."""
    site = CrashSite(directory, seed)
    chance = random.Random(seed)
    try:
        site.start()
        site.wait_first()
        for number in range(rounds):
            one_round(site, chance, number)
        site.drain()
        lost, twice, wrong, batches = site.account()
        trimmed = (site.first_held() or 1) - 1
        if trimmed == 0 or site.source.moves == 0:
            wrong.append(f"a campaign that tries little: {trimmed} batches trimmed,"
                         f" {site.source.moves} moves of the source")
        if not wrong:
            wrong += proof.unnoticed(site)
        words = f"{batches} batches, {trimmed} of them trimmed, {site.source.moves} moves of the source"
        return site.kills, lost, twice, wrong, words
    except (Found, AssertionError) as problem:
        return site.kills, 0, 0, [str(problem)], "broken off"
    finally:
        site.source.freeze()
        site.close()
