"""Keys, approval and identity, with real daemons over CURVE."""
import stat
import subprocess

import zmq

from curve import (Client, decide, encrypt, hello, keys_of, link_of, new_key, raw_batches, rows,
                   start_rater, wait_progress)
from harness import BUILD, toml, wait_for

LOOPBACK = "tcp://127.0.0.1:*"


def test_key_commands(tmp_path):
    """Given `key new`, then the file is its owner's alone and is never overwritten unasked, `key show`
    says the public key and nothing else, and a secret that others may read is refused in one line."""
    for program in ("tallyman", "tallyman-rater"):
        def run(*words):
            return subprocess.run([BUILD / f"bin/{program}", "key", *words], capture_output=True, text=True)

        path = tmp_path / f"{program}.key"
        public = new_key(program, path)
        assert len(public) == 40 and stat.S_IMODE(path.stat().st_mode) == 0o600
        again = run("new", "--out", path)
        assert again.returncode == 1 and "--force" in again.stderr and public not in again.stdout
        assert run("show", path).stdout == public + "\n"
        other = run("new", "--out", path, "--force").stdout.splitlines()[0]
        assert other != public and run("show", path).stdout == other + "\n"
        path.chmod(0o640)
        told = run("show", path)
        assert told.returncode == 1 and len(told.stderr.splitlines()) == 1 and "0600" in told.stderr
        assert run("show", tmp_path / "none").returncode == 1
        assert run("new", "--out").returncode == 2


def test_over_a_network(site, namespaces):
    """Given an agent and a rater on two hosts, then nothing flows until the agent's key is approved,
    each side says what to do, revoked in mid-stream nothing more is taken, and approved again all of
    it arrives once."""
    site.namespace, site.rater_namespace = namespaces.a, namespaces.b
    key = encrypt(site, endpoint="tcp://10.204.0.2:5580", seal_after="200ms")
    site.plugin("netif", exclude=[])
    site.start_rater()
    site.start_agent()
    wait_for("the key to wait", lambda: link_of(site).get("state") == "refused")
    assert "tallyman-rater agent approve stor-01" in link_of(site)["why"]
    assert key in link_of(site)["why"]
    assert site.tallyman("status", "--check").returncode == 1
    waiting = keys_of(site, "--pending")
    assert [(k["agent"], k["key"]) for k in waiting] == [("stor-01", key)]
    assert f"compare its key {key}" in site.rater_command("status").stdout
    assert rows(site.directory / "ledger.db", "SELECT count(*) FROM stream") == [(0,)]

    assert decide(site, "approve", "stor-01", "--why", "compared it")["key"] == key
    wait_for("the agent to be connected", site.connected)
    wait_progress(site)
    assert keys_of(site, "--pending") == []

    decide(site, "revoke", "stor-01", "--why", "stolen")
    wait_for("the agent to hear of it", lambda: link_of(site).get("state") == "refused")
    assert "revoked" in link_of(site)["why"]
    assert "refused" in site.rater_command("status").stdout
    held = rows(site.directory / "ledger.db", "SELECT mark FROM stream")
    wait_for("batches to wait", lambda: site.status()["spool"]["batches"] >= 5)
    assert rows(site.directory / "ledger.db", "SELECT mark FROM stream") == held

    decide(site, "approve", key, "--why", "found again")
    wait_for("the agent to be connected", site.connected)
    wait_progress(site)
    sequences = [s for _, s, _ in raw_batches(site.directory / "ledger.db", "stor-01")]
    assert sequences == list(range(1, len(sequences) + 1))
    shown = keys_of(site)
    assert [(k["state"], k["why"]) for k in shown] == [("approved", "found again")]
    decisions = rows(site.directory / "ledger.db", "SELECT kind, why FROM audit WHERE kind GLOB 'agent *' ORDER BY n")
    assert decisions == [("agent approve", "compared it"), ("agent revoke", "stolen"),
                         ("agent approve", "found again")]


def test_who_cannot_prove_a_key(site, tmp_path):
    """Given an agent that expects another rater, and a plain client, then neither is heard, the agent
    says that its keys may not fit, and a good agent beside them is."""
    encrypt(site, endpoint=LOOPBACK, seal_after="200ms")
    site.endpoint = start_rater(site)["listen"]
    wrong = new_key("tallyman-rater", tmp_path / "other.key")
    site.configure_agent(rater=f"rater_key = {toml(wrong)}", endpoint=site.endpoint)
    site.start_agent()
    context = zmq.Context()
    plain = Client(context, site.endpoint)
    plain.send(hello("stor-01"))
    good = Client(context, site.endpoint, site.rater_key)
    assert good.refused(hello("stor-02"))
    wait_for("the agent to say so", lambda: "tallyman-rater key show" in link_of(site).get("why", ""))
    assert plain.silent()
    assert [k["agent"] for k in keys_of(site)] == ["stor-02"]
    plain.close()
    good.close()
    context.term()


def test_replaced_and_moved(site):
    """Given a host that was rebuilt, then `agent replace` binds its new key and ends the old one; and
    given a ledger that is another one, then the agent comes over by `agent move`: nothing that the
    first one acknowledged is sent again, the rest is."""
    encrypt(site, seal_after="200ms")
    site.plugin("netif", exclude=[])
    start_rater(site)
    site.start_agent()
    wait_for("the key to wait", lambda: keys_of(site))
    decide(site, "approve", "stor-01")
    wait_progress(site)
    site.agent.stop()
    (site.directory / "agent.key").unlink()
    fresh = new_key("tallyman", site.directory / "agent.key")
    subprocess.run(["rm", "-r", site.directory / "state"], check=True)
    site.start_agent()
    wait_for("the new key to wait", lambda: "agent replace stor-01" in link_of(site).get("why", ""))
    decide(site, "replace", "stor-01", fresh, "--why", "new disks")
    wait_for("the agent to be connected", site.connected)
    wait_progress(site)

    first = site.directory / "ledger.db"
    site.rater.stop()
    old = max(w for (w,) in rows(first, "SELECT watermark FROM batch"))
    first.rename(site.directory / "first.db")
    start_rater(site)
    decide(site, "approve", fresh, "--as", "stor-01")
    wait_for("the agent to be refused", lambda: "agent move stor-01" in link_of(site).get("why", ""))
    before = site.status()["incarnation"]
    decide(site, "move", "stor-01", "--why", "the old ledger is closed")
    wait_for("the agent to be connected", site.connected)
    wait_progress(site)
    assert site.status()["incarnation"] != before
    assert decide(site, "ls").get("moves") is None
    came = [w for (w,) in rows(first, "SELECT watermark FROM batch") if w > 0]
    assert came and min(came) > old
    sequences = rows(first, "SELECT sequence FROM batch ORDER BY sequence")
    assert sequences == [(n,) for n in range(1, len(sequences) + 1)]


def test_a_dead_rater_and_a_live_one(site):
    """Given a list of raters of which the first is dead, then the agent takes the second, and when
    that one dies and comes back, it goes on."""
    site.configure_agent(seal_after="200ms", endpoint=site.endpoint)
    config = site.directory / "agent.toml"
    dead = f"ipc://{site.directory}/nobody"
    config.write_text(config.read_text().replace(
        f"endpoint = {toml(site.endpoint)}", f"endpoints = [{toml(dead)}, {toml(site.endpoint)}]"))
    site.configure_rater()
    site.catalogue()
    site.plugin("netif", exclude=[])
    site.start()
    assert link_of(site)["rater"] == site.endpoint
    wait_progress(site)
    site.rater.kill()
    wait_for("the agent to notice", lambda: link_of(site)["state"] != "connected")
    site.start_rater()
    wait_for("the agent to be connected", site.connected)
    wait_progress(site)
