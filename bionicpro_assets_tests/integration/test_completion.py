"""Completion in a real bash, as `bionicpro --install-completion` sets it up."""

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent


def bash(home: Path, script: str) -> str:
    environment = {"HOME": str(home), "PATH": f"{BIN}:/usr/bin:/bin", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, cwd=home, capture_output=True, text=True, check=True
    )
    return done.stdout


def completed(home: Path, *words: str) -> list[str]:
    """What bash offers where the last of the words ends, once it has read what was installed."""
    line = " ".join(words)
    asked = f"""source ~/.bashrc
COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; COMP_LINE={line!r}; COMP_POINT={len(line)}
$(complete -p bionicpro | sed 's/.*-F \\([^ ]*\\) .*/\\1/') bionicpro; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return sorted(bash(home, asked).split())


def test_commands_and_options_are_completed(tmp_path):
    # The shell that the command finds above itself is the one it installs for; `exec` would take it away.
    assert "completion installed" in bash(tmp_path, f"{BIN}/bionicpro --install-completion; true")
    assert completed(tmp_path, "bionicpro", "mat") == ["materialize"]
    assert completed(tmp_path, "bionicpro", "alerts", "t") == ["test"]
    assert {"--wearers-as-of-now", "--from", "--to", "--chip"} <= set(
        completed(tmp_path, "bionicpro", "materialize", "--")
    )
    assert completed(tmp_path, "bionicpro", "report", "--lang", "") == ["en", "ru"]
