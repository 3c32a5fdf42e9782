"""What the Ceph plugin may and may not do, and what it says of it: a real cluster, a real agent."""
import errno
import os
import pathlib
import shutil
import struct
import subprocess
import uuid

import pytest

from harness import BUILD, ROOT
from metered import (NOBODY, follow, gaps, key_file, keys_in_words, metered, plugin_file, readings, usage,
                     wait_for)


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


def readable_by(path, user):
    """Lets one user read what is root's, as systemd does: by an access list, or as the owner where the
    file system has none."""
    whole, none = 0xFFFFFFFF, 0
    list_of = [(0x01, 4, whole), (0x02, 4, user), (0x04, none, whole), (0x10, 4, whole), (0x20, none, whole)]
    if path.is_dir():
        list_of = [(tag, rights and 5, who) for tag, rights, who in list_of]
    try:
        os.setxattr(path, "system.posix_acl_access",
                    struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in list_of))
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        os.chown(path, user, -1)


@pytest.fixture
def credential():
    """Keys below /run/credentials, as LoadCredential= of a unit of the plugin's user leaves them."""
    folder = pathlib.Path("/run/credentials") / f"tallyman-{uuid.uuid4().hex}.service"
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(mode=0o500)
    try:
        path = folder / "ceph-rgw"
        path.write_text(keys_in_words())
        path.chmod(0o400)
        for each in (path, folder):
            readable_by(each, NOBODY)
        yield path
    finally:
        shutil.rmtree(folder)


def test_a_credential_of_systemd(cluster, site, credential):
    """Given the keys as one of systemd's credentials, then the gateways are metered with them."""
    metered(site, cluster, {}, interval="4s", **{"rgw.credentials": str(credential)})
    wait_for("usage", lambda: readings(site, "ceph_rgw_operations_total"))
    assert not reasons(site, "/usage") and not reasons(site, "/buckets")


def test_over_tls(cluster, site):
    """Given a gateway behind TLS, then it is metered when its certificate is trusted and for its name, and
    else a gap says what is wrong with it."""
    gateway = f"https://127.0.0.1:{cluster.tls_port}"
    metered(site, cluster, {}, interval="4s",
            **{"rgw.endpoints": [gateway], "ca_file": str(cluster.certificate)})
    wait_for("usage", lambda: readings(site, "ceph_rgw_operations_total"))
    assert not reasons(site, "/usage") and not reasons(site, "/buckets")
    for endpoint, more, why in (
            (gateway, {}, "self-signed"),
            (gateway.replace("127.0.0.1", "localhost"), {"ca_file": str(cluster.certificate)}, "subject name")):
        site.agent.stop()
        plugin_file(site.directory, cluster, interval="4s", **{"rgw.endpoints": [endpoint], **more})
        site.start_agent()
        wait_for("the agent", site.connected)
        follow(site)
        wait_for(f"a gap that names the {why}", lambda: any(why in each for each in reasons(site, "/usage")))


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
