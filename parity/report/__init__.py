"""What the checks found: a table, a JSON document, a page.

``rows`` runs the cases; ``table`` is what ``python -m parity run`` prints. ``python -m parity
report`` (``command``) adds ``document`` (JSON) and ``page`` (HTML: ``templates``, ``charts``).
"""

from parity.report.rows import Row as Row
from parity.report.table import console as console
from parity.report.table import run as run
