"""Other servers' configurations as Pippin's: BIND's named.conf, nsd.conf, knot.conf, and the ini beside a CSV.

`convert` reads a configuration and returns the text of a pippin.toml. What has no counterpart is not left out
silently: it becomes a comment that names the file and line.
"""

from pippin.control.convert.kinds import KINDS, convert
from pippin.control.convert.result import Converted, ConvertError

__all__ = ["KINDS", "ConvertError", "Converted", "convert"]
