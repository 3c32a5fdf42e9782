#!/usr/bin/python3
"""Holds the tree against the house rules that a compiler does not check.

Prints one line per breach as file:line: what, and ends with how many were found (exit 1 if any).
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md",
       "agent", "conf", "packaging", "plugins", "rater", "sdk", "tests"}
MAX_LINES = 400

# Which project includes ("folder/…") each house may use.
MAY_INCLUDE = {
    "sdk/plugin": set(),
    "sdk/base": {"base"},
    "sdk/wire": {"wire", "base"},
    "sdk/app": {"app", "base"},
    "plugins": {"netif", "ceph", "nfs"},
    "agent": {"agent", "wire", "app", "base"},
    "rater": {"rater", "wire", "app", "base"},
}
PROJECT_INCLUDES = {"base", "wire", "app", "agent", "rater", "sdk", "plugins", "netif", "ceph", "nfs"}

# Heavy headers, and in how many files of sdk, agent, plugins and rater each may stand.
HEAVY = {
    r"nlohmann/": 25,
    r"CLI/": 6,
    r"toml\+\+/": 1,
    r"zmq\.hpp": 2,
    r"spdlog/": 1,
    r"sqlite3\.h": 1,
    r"zstd\.h": 1,
}


def tracked():
    out = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
                         check=True, capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in out if name and (ROOT / name).is_file()]


def house_of(path):
    name = path.relative_to(ROOT).as_posix()
    return next((house for house in MAY_INCLUDE if name.startswith(house + "/")), None)


def check(files):
    heavy_users = {pattern: [] for pattern in HEAVY}
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        first = name.split("/")[0]
        if first not in TOP and not first.startswith("."):
            yield name, 1, f"the top level holds only {', '.join(sorted(TOP))}"
        if path.suffix not in {".h", ".c", ".cpp", ".hpp", ".py", ".sh"}:
            continue
        lines = path.read_text().split("\n")
        if len(lines) - 1 > MAX_LINES:
            yield name, MAX_LINES, f"{len(lines) - 1} lines; split it along a seam, at most {MAX_LINES}"
        if name.endswith(".hpp") and "#pragma once" not in lines:
            yield name, 1, "a header without #pragma once"
        house = house_of(path)
        for number, line in enumerate(lines, 1):
            left_over = re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", line)
            if left_over:
                yield name, number, f"a {left_over.group(0)} does not land: do it, or open an issue"
            if name.startswith("tests/") and path.suffix in {".cpp", ".hpp"}:
                if re.search(r"\bsleep_for|\busleep\(|[^a-z_]sleep\(", line):
                    yield name, number, "a sleep in a test: wait for the condition"
            include = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            if not include:
                continue
            target = include.group(1)
            if target.startswith("..") or "/../" in target:
                yield name, number, "an include by a relative path upwards"
            root = target.split("/")[0]
            if house and root in PROJECT_INCLUDES and "/" in target and root not in MAY_INCLUDE[house]:
                yield name, number, f"{house} may not include {target}"
            for pattern in HEAVY:
                if house and re.match(pattern, target):
                    heavy_users[pattern].append(name)
                    if path.suffix == ".hpp":
                        yield name, number, f"{target} in a header: it costs every includer seconds"
    for pattern, users in heavy_users.items():
        if len(set(users)) > HEAVY[pattern]:
            yield users[-1], 1, (f"{pattern} is included by {len(set(users))} files, at most "
                                 f"{HEAVY[pattern]}: {', '.join(sorted(set(users)))}")


def check_format(files):
    sources = [str(path) for path in files if path.suffix in {".h", ".c", ".cpp", ".hpp"}]
    out = subprocess.run(["clang-format", "--dry-run", *sources], capture_output=True, text=True).stderr
    for line in out.split("\n"):
        found = re.match(r"(.+?):(\d+):\d+: warning", line)
        if found:
            path = pathlib.Path(found.group(1)).resolve().relative_to(ROOT)
            yield path.as_posix(), int(found.group(2)), "not as clang-format writes it"


def main():
    files = tracked()
    breaches = sorted(set(check(files)) | set(check_format(files)))
    for name, number, what in breaches:
        print(f"{name}:{number}: {what}")
    print(f"{len(files)} files, {len(breaches)} breaches of the house rules")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
