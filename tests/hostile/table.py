"""The corpus as a table: what was given, and what came out.

    python -m tests.hostile.table

prints a row for every file of the corpus and every situation, in Markdown: the exit status, what was said (of a path
only the name), what was left behind, and the peak memory of the process in MiB, the files' own only.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hostile.corpus import WEIGHTS
from tests.hostile.situations import ROOT, SITUATIONS, write_pair


def row(given: str, status: int, told: str, left: list[str], memory: str) -> str:
    name = given if given.isprintable() else repr(given)
    cells = [name, str(status), told.strip() or "–", ", ".join(map(repr, left)) or "–", memory]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    print("| given | exit status | said | left | MiB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.hostile.corpus", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
        for line in map(json.loads, done.stdout.splitlines()):
            told = line["told"].replace(f"{folder}/", "")
            given = f"weights {line['name']}" if line["name"] in WEIGHTS else line["name"]
            print(row(given, line["status"], told, line["left"], str(line["peak"] >> 20)), flush=True)
    for situation in SITUATIONS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_pair(folder)
            status, told = situation.act(folder)
            left = sorted({path.name for path in folder.iterdir()} - {"a.png", "b.png"})
            print(row(situation.given, status, re.sub(rf"{re.escape(name)}/?", "", told), left, "–"), flush=True)


if __name__ == "__main__":
    main()
