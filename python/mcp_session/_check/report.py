"""What a run is reported as: JSON, and XML as JUnit writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from mcp_session._check.results import Outcome, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_session._check.results import Result

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    command: str
    """`check` or `check-client`."""
    target: str
    """What was checked, without what may be a credential."""
    results: Sequence[Result]
    seconds: float

    def has_failed(self, *, strict: bool) -> bool:
        """Whether something is wrong; with `strict` a warning is, too."""
        wrong = {Outcome.FAIL, Outcome.WARNING} if strict else {Outcome.FAIL}
        return any(it.outcome in wrong for it in self.results)

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "command": self.command,
            "target": self.target,
            "seconds": round(self.seconds, 3),
            "counts": count(self.results),
            "checks": [it.as_json() for it in self.results],
        }

    def as_junit(self) -> bytes:
        """Return the XML that `--junit` writes. A warning is a passed test that says so."""
        counts = count(self.results)
        suite = ET.Element(
            "testsuite",
            name=f"mcp-session {self.command}",
            tests=str(len(self.results)),
            failures=str(counts["fail"]),
            errors="0",
            skipped=str(counts["skipped"]),
            time=f"{self.seconds:.3f}",
        )
        for result in self.results:
            entry = result.entry
            case = ET.SubElement(
                suite,
                "testcase",
                classname=f"mcp-session.{self.command}",
                name=entry.id,
                time=f"{result.seconds:.3f}",
            )
            basis = f"sends {entry.sends}\nwants {entry.wants}\n{entry.sentence.text}\n"
            said = f"{result.reason}\n{basis}{entry.sentence.url}"
            if result.outcome is Outcome.FAIL:
                ET.SubElement(case, "failure", message=result.reason).text = said
            elif result.outcome is Outcome.SKIPPED:
                ET.SubElement(case, "skipped", message=result.reason)
            elif result.outcome is Outcome.WARNING:
                ET.SubElement(case, "system-out").text = f"warning: {said}"
        suites = ET.Element("testsuites")
        suites.append(suite)
        ET.indent(suites)
        return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"
