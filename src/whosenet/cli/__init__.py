"""The command line. Importing it registers the verbs, in the order `--help` lists them."""

from whosenet.cli import app as _frame  # noqa: I001 (the order of the verbs)
from whosenet.cli import find, general, lineage, test  # noqa: F401
from whosenet.cli import judge  # noqa: F401
from whosenet.cli import prove  # noqa: F401
from whosenet.cli import trace  # noqa: F401

app, main = _frame.app, _frame.main
