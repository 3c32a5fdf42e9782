"""That the account finds what it is there for: a right ledger, made wrong in one way at a time."""
import reckoning
import slots


def first_raw(ledger):
    """(table, stream, a sequence number in its midst)."""
    table = next(name for name in ledger.tables() if name.startswith("raw_"))
    numbers = [n for (n,) in ledger.db.execute(f"SELECT sequence FROM {table} ORDER BY sequence")]
    return table, ledger.streams()[0][0], numbers[len(numbers) // 2]


def lose_batch(ledger):
    table, _, number = first_raw(ledger)
    ledger.db.execute(f"DELETE FROM {table} WHERE sequence = ?", (number,))


def repeat_batch(ledger):
    table, _, number = first_raw(ledger)
    ledger.db.execute(f"CREATE TABLE raw_19700101 AS SELECT * FROM {table} WHERE sequence = ?", (number,))


def change_bit(ledger):
    table, _, number = first_raw(ledger)
    data = bytearray(ledger.db.execute(f"SELECT bytes FROM {table} WHERE sequence = ?",
                                       (number,)).fetchone()[0])
    data[0] ^= 1  # of a checksum: the content decodes as before
    ledger.db.execute(f"UPDATE {table} SET bytes = ? WHERE sequence = ?", (bytes(data), number))


def lower_mark(ledger):
    ledger.db.execute("UPDATE stream SET mark = mark - 1")


def second_stream(ledger):
    ledger.db.execute("INSERT INTO stream SELECT id + 1, agent, zeroblob(16), 0, zeroblob(32), 0, 0, 0, 0,"
                      " 0, 0, 0, kind FROM stream")


def change_usage(by):
    """One slot of a series that is reckoned: the first there is that stays a number when changed."""
    def change(ledger):
        for table, rowid, key, chunk in slots.chunks(ledger.db):
            amounts = chunk.columns["amount"]
            at = next((i for i, amount in enumerate(amounts) if amount + by >= 0), None)
            if at is not None and reckoning.series_of(key)[0] == "tap_bytes_total":
                amounts[at] += by
                ledger.db.execute(f"UPDATE {table} SET slots = ? WHERE rowid = ?", (chunk.bytes(), rowid))
                return
        raise AssertionError(f"no slot to change by {by}")
    return change


WRONGS = {"a batch lost": lose_batch, "a batch twice": repeat_batch, "a bit changed": change_bit,
          "the mark lowered": lower_mark, "a second stream": second_stream,
          "a unit too many": change_usage(1), "a unit too few": change_usage(-1)}


def unnoticed(site):
    """Which wrongs a campaign's account would not find; the site's daemons have ended."""
    out = []
    for what, make_wrong in WRONGS.items():
        ledger = reckoning.Ledger(site.ledger_path)
        try:
            make_wrong(ledger)
            lost, twice, wrong, _ = site.reckon(ledger)
        except reckoning.subprocess.CalledProcessError:
            wrong = ["undecodable"]
        finally:
            ledger.close()
        if not wrong:
            out.append(f"the account does not notice {what}")
    return out + unnoticed_in_lines()


def unnoticed_in_lines():
    polls = [["poll", "1", "tap", str(at)] for at in (10, 20, 30, 60)]
    gap = [["gap", "1", "tap", "40", "50", "agent down"]]
    steps = [["value", "1", "m", "0", str(value)] for value in (0, 7, 14)]
    right = (reckoning.check_polls(polls + gap, {"tap": 10})[2] == []
             and reckoning.check_steps(steps, "m", "0", 7) == [])
    wrong = (reckoning.check_polls(polls, {"tap": 10})[2] and reckoning.check_steps(steps[1:], "m", "0", 7)
             and reckoning.check_polls([*polls, polls[1], *gap], {"tap": 10})[2])
    return [] if right and wrong else ["the account does not notice a poll lost or repeated"]
