"""Whoever writes a plugin: `plugin check` tells what is wrong with it, `plugin new` makes one that is good."""
import json
import os
import pathlib
import subprocess

import pytest

from harness import BUILD, PATIENCE, SANITIZED, wait_for


def tallyman(*words, cwd=None):
    return subprocess.run([BUILD / "bin/tallyman", *map(str, words)], capture_output=True, text=True,
                          timeout=PATIENCE * 3, cwd=cwd)


def check(plugin, *words):
    """The exit status and the document."""
    answer = tallyman("plugin", "check", BUILD / plugin, "--json", *words)
    assert answer.returncode in (0, 1), answer
    return answer.returncode, json.loads(answer.stdout)


def findings(document, level):
    return [finding["what"] for finding in document["findings"] if finding["level"] == level]


def test_a_good_one():
    """Given a plugin that behaves, then its polls, readings and state are shown, and it is good."""
    code, document = check("fault-plugins/counter.so", "--option", "step=7", "--polls", "4")
    assert code == 0 and document["good"], document
    assert [poll["why"] for poll in document["polls"]] == [""] * 5, document
    values = [poll["readings"][0]["value"] for poll in document["polls"]]
    # The fifth is another process's, which went on from the state.
    assert values == ["0", "7", "14", "21", "28"], values
    assert document["restored"] and document["polls"][0]["state_bytes"] == 24
    assert document["polls"][0]["memory_bytes"] > 0
    shown = tallyman("plugin", "check", BUILD / "fault-plugins/counter.so")
    assert shown.returncode == 0, shown
    for part in ("counter 1.0", "counter_bytes_total", "poll 3: 1 reading in", "state 24 bytes",
                 "restored by another process", ": good"):
        assert part in shown.stdout, shown.stdout


def test_ours():
    """Given the plugins that come with Tallyman, then they are good by their own rules."""
    code, document = check("plugins/netif.so", "--option", "exclude=none")
    assert code == 0 and document["polls"][0]["readings"], document


@pytest.mark.parametrize("plugin, words, reason", [
    ("fault-plugins/crasher.so", [], "killed by signal 6"),
    ("fault-plugins/ctor_crasher.so", [], "it is not loaded"),
    ("fault-plugins/failer.so", [], "the meter is unplugged"),
    ("fault-plugins/garbler.so", [], "garbage"),
    ("fault-plugins/exiter.so", [], "exited with status"),
    ("fault-plugins/undeclared.so", [], "metric 7 is not declared"),
    ("fault-plugins/counter.so", ["--option", "stpe=7"], "unknown option stpe"),
    ("fault-plugins/counter.so", ["--option", "series=nine"], "expected a whole number"),
    ("bin/tallyman-plugin-host", [], "it is not loaded"),
])
def test_bad_ones(plugin, words, reason):
    """Given a plugin that misbehaves or is configured wrongly, then it is at fault, in words."""
    code, document = check(plugin, *words)
    assert code == 1 and not document["good"]
    assert any(reason in what for what in findings(document, "fault")), document["findings"]


def test_hangs_are_ended(tmp_path):
    """Given a plugin that hangs in a poll, then the trial ends with its deadline."""
    config = tmp_path / "hanger.toml"
    config.write_text('plugin = "hanger"\ninterval = "1s"\ndeadline = "300ms"\n')
    code, document = check("fault-plugins/hanger.so", "--config", config)
    assert code == 1 and "it does not answer a poll within 300ms" in str(document["findings"]), document


def test_configured(tmp_path):
    """Given a file of plugins.d, then its options count; a wrong one is told with its place."""
    config = tmp_path / "counter.toml"
    config.write_text('plugin = "counter"\n[options]\nseries = "2"\n')
    code, document = check("fault-plugins/counter.so", "--config", config)
    assert code == 0 and len(document["polls"][0]["readings"]) == 2, document
    config.write_text('plugin = "counter"\nintervall = "1s"\n')
    answer = tallyman("plugin", "check", BUILD / "fault-plugins/counter.so", "--config", config)
    assert answer.returncode == 2 and "counter.toml:2:" in answer.stderr, answer


def test_wrong_files(tmp_path):
    """Given what is no file, then one line says so."""
    os.mkfifo(tmp_path / "pipe.so")
    for path in (tmp_path / "none.so", tmp_path, tmp_path / "pipe.so"):
        answer = tallyman("plugin", "check", path)
        assert answer.returncode == 1 and len(answer.stderr.splitlines()) == 1, answer
        assert str(path) in answer.stderr


@pytest.mark.skipif(SANITIZED, reason="the plugin is built as its author would, without a sanitizer")
def test_a_new_one(tmp_path, site):
    """Given `plugin new`, then what it made builds without a warning, is good, and runs as a drop-in."""
    made = tallyman("plugin", "new", "disk-usage", cwd=tmp_path)
    assert made.returncode == 0, made
    folder = tmp_path / "disk-usage"
    for words in (["-G", "Ninja", "-S", folder, "-B", folder / "build",
                   "-DCMAKE_CXX_FLAGS=-Werror -Wconversion -Wshadow"],
                  ["--build", folder / "build"]):
        built = subprocess.run(["cmake", *map(str, words)], capture_output=True, text=True,
                               timeout=PATIENCE * 5)
        assert built.returncode == 0, built.stdout + built.stderr
    plugin = folder / "build/disk-usage.so"
    code, document = check(plugin, "--config", folder / "plugins.d/disk-usage.toml")
    assert code == 0 and not document["findings"], document
    assert [poll["readings"][0]["value"] for poll in document["polls"]] == ["0", "1", "2", "3"]
    site.configure_agent()
    site.drop_ins.mkdir()
    site.start_agent()
    (site.drop_ins / "disk-usage.so").write_bytes(plugin.read_bytes())
    wait_for("it to run", lambda: (
        (p := site.plugin_status("disk-usage")) and p["state"] == "running" and p["version"] == "0.1"))
    again = tallyman("plugin", "new", "disk-usage", cwd=tmp_path)
    assert again.returncode == 1 and "nothing is overwritten" in again.stderr, again
    wrong = tallyman("plugin", "new", "Disk Usage", cwd=tmp_path)
    assert wrong.returncode == 2 and not pathlib.Path(tmp_path / "Disk Usage").exists(), wrong
