"""Makes the helper modules beside the tests importable, and chooses what is run.

By default every client and every server takes part in each situation, but not in each
combination; `--whole` runs the whole product.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
