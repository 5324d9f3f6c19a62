"""Hundreds of hostile files through ``retouchd process`` with the real engine: each ends with a reason."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from tests.daemon.conftest import Hot
from tests.daemon.hostile import ODD_NAMES, hostile

from retouchd.results import record

OURS = {"internal", "worker-died", "time-limit", "worker-stuck", "memory-ceiling", "proof", "engine"}
"""Reasons that would be a fault of ours, not of the file."""


def test_no_hostile_file_crashes_hangs_or_gives_a_wrong_result(hot: Hot, tmp_path: Path) -> None:
    hot.config.unlink()
    scratch = tmp_path / "originals"
    scratch.mkdir()
    names = []
    for name, data in hostile(scratch):
        (hot.folder / name).write_bytes(data)
        names.append(name)
    done = hot.cli("process", hot.folder, "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(names) >= 300
    assert len(set(names)) == len(told) == len(names)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    failed = {Path(t["source"]).name: t["error"] for t in told if "error" in t}
    codes = Counter(error["code"] for error in failed.values())
    assert not OURS & set(codes), [f for f in failed.items() if f[1]["code"] in OURS]
    for error in failed.values():
        assert error["message"].isprintable()
        assert len(error["message"]) > 10
    assert all(t["outside_unchanged"] is True for t in told if "error" not in t)
    assert not list(tmp_path.rglob("pwned"))
    good = {n for n in ODD_NAMES if not any(ord(c) < 32 for c in n) and len(os.fsencode(n)) < 240}
    assert not good & failed.keys()
    assert {n for n in failed if n.startswith("cut-")} == {n for n in names if n.startswith("cut-")}
    own = hot.folder / "_retouchd"
    assert len([p for p in own.glob("*.json") if record.read(p)]) == len(names) - len(failed)
