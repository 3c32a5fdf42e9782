"""A scripted run from a fresh state, in which one daemon is killed right before or after the k-th call
that changes its files; then it is started again, and the account must be right."""
import concurrent.futures
import pathlib
import random
import shutil
import time

from crash_site import BUILD, KILL_AT, CrashSite, Found, harness

AT_ONCE = 4        # sessions mostly wait
BATCHES = 12       # acknowledged ones that make a script
FIRST_CALLS = 4    # always tried: the very beginning of a state
KILLED, NOT_PERMITTED = 0, 3
FEWEST_CALLS = 50  # of a script, else the tracer sees too little
BELOW = {"agent": "state", "rater": "ledger"}


class Session:
    """One state, one kill. `call` 0: none, to count the calls of a whole script."""

    def __init__(self, directory, who, call, when, seed):
        self.directory, self.who, self.call, self.when = pathlib.Path(directory), who, call, when
        self.site = CrashSite(self.directory, seed)
        self.log = self.directory / "calls.log"
        self.died = False

    def start(self):
        """The rater first; one of the two under the tracer."""
        for name in ("rater", "agent"):
            if name != self.who:
                getattr(self.site, f"start_{name}")()
                continue
            program = [BUILD / f"bin/tallyman-{name}", "--config", self.directory / f"{name}.toml"]
            traced = [KILL_AT, self.directory / BELOW[name], self.log, self.call, self.when, *program]
            setattr(self.site, name, harness.Daemon(traced, self.directory / f"{name}.log"))
        self.tracer = getattr(self.site, self.who).process

    def struck(self):
        """Whether the traced one has ended; only its kill may end it."""
        status = self.tracer.poll()
        if status is None:
            return False
        if status == NOT_PERMITTED:
            raise Found("ptrace is not permitted here: " + getattr(self.site, self.who).tail())
        if status != KILLED:
            raise Found(f"ended by itself before call {self.call}: "
                        + getattr(self.site, self.who).tail()[-600:])
        return True

    def script(self):
        """Until it is killed, or until so many batches have gone all the way."""
        end = time.monotonic() + harness.PATIENCE
        while not self.struck():
            self.site.may_move()
            acknowledged = self.site.acknowledged()
            if acknowledged >= BATCHES:
                return
            if time.monotonic() > end:
                raise Found(f"only {acknowledged} batches were acknowledged in {harness.PATIENCE} s")
            time.sleep(0.05)

    def calls(self):
        return sum(line[0].isdigit() for line in self.log.read_text().splitlines())

    def run(self):
        """(lost, twice, wrong, calls seen)."""
        try:
            self.start()
            self.script()
            self.died = self.struck()
            if not self.died:
                self.tracer.terminate()
                self.tracer.wait()
            calls = self.calls()
            self.site.kills += 1
            getattr(self.site, f"start_{self.who}")()
            self.site.wait_first()
            self.site.drain()
            lost, twice, wrong, _ = self.site.account()
            return lost, twice, wrong, calls
        except (Found, AssertionError) as problem:
            return 0, 0, [str(problem)], 0
        finally:
            self.site.source.freeze()
            self.site.close()


def attempt(folder, who, call, when, seed):
    name = f"{who[0]}{call}{when[0]}"
    session = Session(folder / name, who, call, when, seed)
    lost, twice, wrong, calls = session.run()
    if not wrong:
        shutil.rmtree(folder / name)
    return session.died, lost, twice, [f"{who}, {when} call {call} ({name}): {w}" for w in wrong], calls


def chosen_calls(total, sample, every, chance):
    """[(call, before or after)], the seed's choice unless every one."""
    if every:
        return [(call, when) for call in range(1, total + 1) for when in ("before", "after")]
    first = list(range(1, min(FIRST_CALLS, total) + 1))
    rest = range(FIRST_CALLS + 1, total + 1)
    picked = chance.sample(rest, min(len(rest), max(0, sample - len(first))))
    return [(call, chance.choice(("before", "after"))) for call in first + sorted(picked)]


def campaign(folder, sample, every, seed):
    """(kills, lost, twice, wrong, words about it)."""
    chance = random.Random(seed)
    kills = lost = twice = 0
    wrong, words = [], []
    for who in ("agent", "rater"):
        _, _, _, wrong_at_first, total = attempt(folder, who, 0, "before", seed)
        if total < FEWEST_CALLS and not wrong_at_first:
            wrong_at_first = [f"{who}: the tracer sees only {total} calls of a whole script"]
        if wrong_at_first:
            return kills, lost, twice, wrong + wrong_at_first, "broken off"
        picked = chosen_calls(total, sample, every, chance)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda pick: attempt(folder, who, *pick, seed), picked))
        struck = sum(died for died, *_ in results)
        kills += struck
        lost += sum(result[1] for result in results)
        twice += sum(result[2] for result in results)
        wrong += [line for result in results for line in result[3]]
        words.append(f"{who} killed {struck} times in a script of {total} calls"
                     + (", before and after each" if every else ""))
    return kills, lost, twice, wrong, "; ".join(words)
