"""What the Ceph plugin may and may not do, and what it says of it: a real cluster, a real agent."""
import shutil
import subprocess

from harness import BUILD, ROOT
from metered import gaps, key_file, metered, plugin_file, readings, usage, wait_for


def reasons(site, part):
    return [why for source, why in gaps(site) if source.endswith(part)]


def test_least_privilege(cluster, site):
    """Given a user with usage=read alone, then usage is metered and buckets are a gap that names the
    capability; given it, buckets are metered, and the user can change nothing."""
    keys = cluster.user("lesser", "LKEY", "lsecret", "--caps=usage=read")
    metered(site, cluster, {}, interval="4s", **{"rgw.credentials": str(key_file(cluster, keys))})
    wait_for("the missing capability", lambda: any(
        "lacks the capability buckets=read" in why for why in reasons(site, "/buckets")))
    assert not reasons(site, "/usage")
    cluster.run("radosgw-admin", "caps", "add", "--uid=lesser", "--caps=buckets=read")
    owner = cluster.user("owner", "OKEY", "osecret")
    cluster.s3(owner, "PUT", "/owned")
    wait_for("sizes", lambda: readings(site, "ceph_bucket_bytes"))
    denied = cluster.run("curl", "-s", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", ":".join(keys),
                         "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-X", "DELETE",
                         cluster.rgw + "/admin/bucket?bucket=owned", check=False)
    assert "AccessDenied" in denied, denied


def test_wrong_keys(cluster, site):
    """Given a wrong secret, then the gap says so, and the keys stand nowhere in what the agent shows."""
    metered(site, cluster, {}, **{"rgw.credentials": str(key_file(cluster, ("METERKEY", "verysecret")))})
    wait_for("the reason", lambda: any("the secret key is not the user's" in why
                                       for why in reasons(site, "/usage")))
    shown = site.tallyman("status", "--json").stdout + site.agent.tail() + str(gaps(site))
    shown += site.tallyman("plugin", "list", "--json").stdout
    assert "verysecret" not in shown and "METERKEY" not in shown
    pid = site.plugin_status("ceph")["pid"]
    listed = subprocess.run(["ps", "-o", "args", "-p", str(pid)], capture_output=True, text=True).stdout
    assert "secret" not in listed


def test_a_file_that_others_can_read(cluster, site):
    """Given a file of keys with mode 644, then the plugin is not run, and says what to do."""
    path = key_file(cluster)
    path.chmod(0o644)
    site.configure_agent()
    plugin_file(site.directory, cluster, **{"rgw.credentials": str(path)})
    site.start_agent()
    wait_for("the refusal", lambda: (p := site.plugin_status("ceph")) and "chmod 600" in p["why"])


def test_another_zone(cluster, site):
    """Given gateways of another zone than configured, then nothing of them is metered, and it says why."""
    metered(site, cluster, {}, zone="elsewhere")
    wait_for("the reason", lambda: any("of zone default, not of elsewhere" in why
                                       for why in reasons(site, "/usage")))
    assert not readings(site, "ceph_rgw_operations_total")


def test_failover(cluster, site):
    """Given a first gateway and mgr that nobody answers at, then the others are asked, in the same poll."""
    dead = "http://127.0.0.1:9"
    metered(site, cluster, {}, interval="4s", **{
        "rgw.endpoints": [dead, cluster.rgw],
        "mgr.endpoints": [dead, *(cluster.mgr(name) for name in cluster.mgrs)]})
    wait_for("pools", lambda: readings(site, "ceph_pool_stored_bytes"))
    wait_for("usage", lambda: readings(site, "ceph_rgw_operations_total"))
    assert not reasons(site, "/pools")


def test_the_log_is_off(cluster, site):
    """Given a gateway that writes no usage log, then usage is a gap that says so, never a zero."""
    cluster.run("ceph", "daemon", next((cluster.folder / "run").glob("client.rgw.a.*.asok")), "config",
                "set", "rgw_enable_usage_log", "false")
    trimmed = cluster.run("radosgw-admin", "usage", "trim", "--yes-i-really-mean-it")
    assert not trimmed.strip()
    try:
        metered(site, cluster, {"acme": [{"user": "nobody"}]})
        wait_for("the reason", lambda: any("rgw_enable_usage_log is off" in why
                                           for why in reasons(site, "/usage")))
        assert usage(site, "acme", "received") is None or not readings(site, "ceph_rgw_sent_bytes_total")
    finally:
        cluster.run("ceph", "daemon", next((cluster.folder / "run").glob("client.rgw.a.*.asok")),
                    "config", "set", "rgw_enable_usage_log", "true")


def test_shipped_configuration(site):
    """Given the commented configuration that is shipped, enabled, then nothing in it is wrong."""
    site.configure_agent()
    shipped = site.directory / "plugins.d/ceph.toml"
    shutil.copy(ROOT / "conf/plugins.d/ceph.toml", shipped)
    shipped.chmod(0o644)
    for enabled in ("false", "true"):
        shipped.write_text(shipped.read_text().replace("enabled = false", f"enabled = {enabled}"))
        checked = subprocess.run([BUILD / "bin/tallyman", "config", "check",
                                  site.directory / "agent.toml"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
