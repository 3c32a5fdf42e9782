"""An old system's slots, imported: looked at, compared, shadowed, explained and stated."""
import html.parser
import json
import subprocess

import pytest

from harness import BUILD, PATIENCE, wait_for

PERIOD = "2026-11-20T08:00:00Z/1m"
NAME = "<script>alert('1')</script> & \"Söhne\""


class Page(html.parser.HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data):
        self.texts.append(data)


def slots(count, bytes_of, coverage=lambda n: "1"):
    lines = ["source,metric,slot,seconds,bytes,coverage,labels,info"]
    for direction in ("transmit", "receive"):
        lines += [f"host:old-01,netif_{direction}_bytes_total,2026-11-20T08:00:{n:02}Z,1,"
                  f"{bytes_of(n) if direction == 'transmit' else 7},{coverage(n)},ifindex=3,interface=eth9"
                  for n in range(count)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def imported(site):
    site.configure_rater(automatic=False)
    site.catalogue(period="1m", customers=(("acme", {"interface": "eth9"}),))
    catalogue = site.directory / "catalogue.toml"
    catalogue.write_text(catalogue.read_text().replace('name = "acme"', f"name = {json.dumps(NAME)}"))
    site.start_rater()
    wait_for("the rater", lambda: site.rater_command("status").returncode == 0)
    file = site.directory / "old.csv"
    file.write_text(slots(60, lambda n: 1000 + n))
    answer = site.rater_command("import", "--kind", "slots", "--agent", "old-01", "--why", "old", str(file))
    assert answer.returncode == 0, answer
    answer = site.rater_command("close", PERIOD, "--why", "imported")
    assert answer.returncode == 0, answer
    return site


def view(site, *words):
    """Asks the ledger's file alone."""
    return subprocess.run([BUILD / "bin/tallyman-rater", words[0], "--ledger", site.directory / "ledger.db",
                           *words[1:]], capture_output=True, text=True, timeout=PATIENCE)


def test_a_wrong_file_of_slots(imported):
    """Given lines that are wrong, then each is told with its line, and nothing is imported."""
    file = imported.directory / "bad.csv"
    file.write_text(slots(1, lambda n: 1) + "nonsense\nhost:a,m,never,1,5,1,,\n")
    answer = imported.rater_command("import", "--kind", "slots", "--agent", "old-02", "--why", "old", str(file))
    assert answer.returncode == 1
    lines = answer.stderr.splitlines()
    assert len(lines) == 3 and "bad.csv:4:" in lines[0] and "bad.csv:5:" in lines[1]
    assert imported.rater_command("import", "--kind", "slots", "--why", "old", str(file)).returncode == 1


def test_a_statement_is_safe_and_says_draft(imported):
    """Given a customer whose name is markup, then the page shows the name, runs nothing and loads nothing."""
    page = imported.rater_command("statement", "acme", PERIOD, "--format", "html").stdout
    parsed = Page(page)
    assert "script" not in parsed.tags and "svg" in parsed.tags
    assert NAME in "".join(parsed.texts)
    assert "Draft" in page
    text = imported.rater_command("statement", "acme", PERIOD)
    assert text.returncode == 0 and "transfer" in text.stdout and "Draft" in text.stdout
    document = json.loads(imported.rater_command("statement", "acme", PERIOD, "--json").stdout)
    assert document["meters"][0]["quantity"]["billed"] == "0.06177"
    usage = imported.rater_command("usage", "acme", "--period", PERIOD)
    assert usage.returncode == 0 and "█" in usage.stdout, usage


def test_a_record_is_explained(imported):
    """Given a record, then explain and replay come to the same from the raw readings, running or not."""
    answer = view(imported, "explain", "acme", "transfer", PERIOD)
    assert answer.returncode == 0, answer
    assert "reproduced" in answer.stdout and "61770" in answer.stdout
    record = json.loads(view(imported, "explain", "acme", "transfer", PERIOD, "--json").stdout)
    assert record["raw_base"] == "61770" and record["identical"]
    one = view(imported, "explain", record["record"]["id"][:16], "--slot", "2026-11-20T08:00:30Z")
    assert one.returncode == 0 and "1030" in one.stdout, one
    assert view(imported, "replay", PERIOD).returncode == 0


def test_the_old_figures_are_compared(imported):
    """Given the old system's figures, then a slip is named, and the same figures are no difference."""
    old = imported.directory / "figures.csv"
    old.write_text("customer,meter,quantity,unit\nacme,transfer,61770,B\n")
    assert view(imported, "compare", PERIOD, "--with", old).returncode == 0
    old.write_text("customer,meter,quantity\nacme,transfer,0.49416\n")
    answer = view(imported, "compare", PERIOD, "--with", old, "--tolerance", "1%")
    assert answer.returncode == 1 and "bits and bytes" in answer.stdout, answer
    old.write_text("customer,meter,quantity\nacme,transfer,0.00042\n")
    answer = view(imported, "compare", PERIOD, "--with", old)
    assert "received only" in answer.stdout, answer
    old.write_text("customer,meter,quantity\nacme,transfer,x\nacme\n")
    answer = view(imported, "compare", PERIOD, "--with", old)
    assert answer.returncode == 2 and "figures.csv:2:15" in answer.stderr and "figures.csv:3:" in answer.stderr


def test_another_catalogue_in_the_shadow(imported):
    """Given another catalogue, then shadow shows what it would have billed, and mistakes in it."""
    other = imported.directory / "other.toml"
    other.write_text((imported.directory / "catalogue.toml").read_text().replace('"0.01"', '"100"'))
    answer = view(imported, "shadow", "--catalogue", other, PERIOD, "--json")
    assert answer.returncode == 0, answer
    line = json.loads(answer.stdout)["lines"][0]
    assert (line["then"]["amount"], line["now"]["amount"]) == ("0.00", "6.08")
    other.write_text("nonsense")
    assert view(imported, "shadow", "--catalogue", other, PERIOD).returncode == 2


def test_an_adjustment_is_explained(imported):
    """Given a released record and a person's other figure, then the adjustment says whose, and replays."""
    record = json.loads(view(imported, "explain", "acme", "transfer", PERIOD, "--json").stdout)["record"]["id"]
    assert imported.rater_command("release", PERIOD, "--why", "checked").returncode == 0
    answer = imported.rater_command("correct", record, "--quantity", "0.05", "--why", "agreed by phone")
    assert answer.returncode == 0, answer
    said = wait_for("the adjustment", lambda: (lambda e: e if e["adjusted"] else None)(
        json.loads(view(imported, "explain", record, "--json").stdout)))
    assert said["reproduced"] and said["adjusts"] is None
    adjustment = said["adjusted"][0]
    answer = view(imported, "explain", adjustment[:16])
    assert answer.returncode == 0, answer
    for text in (record, "0.06177 → 0.05", "agreed by phone", "a draft", "in its place", "reproduced"):
        assert text in answer.stdout, answer.stdout
    document = json.loads(view(imported, "explain", adjustment, "--json").stdout)
    assert document["correction"]["quantity"] == "0.05" and document["raw"]["quantity"] == "6177/100000"
    assert document["adjusts"]["changes"][0]["difference"] == "-0.01177"
    answer = view(imported, "replay", PERIOD)
    assert answer.returncode == 0 and "revision 2 (draft): 1 adjustments and 2 sums" in answer.stdout, answer
