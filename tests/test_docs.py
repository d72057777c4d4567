"""The snippets of the documentation run."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["from_sklearn.md", "tuning.md"])
def test_snippets_run_one_after_the_other(name, capsys):
    snippets = re.findall(r"^```python\n(.*?)^```$", (DOCS / name).read_text("utf-8"), re.M | re.S)
    namespace = {}
    for snippet in snippets:
        exec(snippet, namespace)
    for line, said in re.findall(r"print\((.*)\)  # (.*)$", "".join(snippets), re.M):
        exec(f"print({line})", namespace)
        assert said in capsys.readouterr().out
