// Runs pytest in Pyodide: `node pytest.js SOURCES PACKAGES ARGUMENTS...`.
import { loadPyodide } from "pyodide";

const [sources, packages, ...given] = process.argv.slice(2);
const python = await loadPyodide();
python.mountNodeFS("/sources", sources);
python.mountNodeFS("/lib/python3.14/site-packages", packages);
python.globals.set("given", python.toPy(given));
// Only what is begun so may run an event loop: where Node can suspend what is compiled.
process.exitCode = await python.runPythonAsync(`
import importlib, os
importlib.invalidate_caches()
import pytest
os.chdir("/sources")
int(pytest.main(["-p", "no:cacheprovider", *given]))
`);
