#!/usr/bin/env python3
"""Write what the application consists of, as CycloneDX 1.6 with licences and cages.

    .venv/bin/python .ci/sbom.py [FILE]        (var/sbom.json)

Listed are the pins of requirements/app.txt that hold on this machine, as they are installed, and
what two of them carry into the browser. No time and no serial number: equal sets give equal files.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

# What reads bytes that came from outside, or is written in C: what could go wrong, and the cage it
# works in. Each cage names the file that builds it.
CAGES = {
    "openpyxl": "untrusted workbooks: after a streaming check, in a child process with limits on"
    " memory, processor time and clock (xianning/sandbox.py)",
    "defusedxml": "entity tricks in workbooks are refused here, in the same child"
    " (xianning/sandbox.py)",
    "pillow": "untrusted pictures: named formats only, re-encoded in a child process"
    " (xianning/sandbox.py)",
    "pypdf": "joins papers we made; opens no uploaded file except in a child process"
    " (xianning/sandbox.py)",
    "weasyprint": "no user HTML, a fetcher that refuses every address, in a child process"
    " (xianning/pdf.py)",
    "pikepdf": "untrusted PDF (brings qpdf): opened only in a child process, active parts are taken out"
    " (xianning/uploads/pdfs.py)",
    "lxml": "comes with pikepdf for metadata; openpyxl parses sheets with it in the same child as"
    " above (xianning/sandbox.py)",
    "pydyf": "writes PDF for WeasyPrint only (xianning/pdf.py)",
    "fonttools": "reads fonts of the system only, in the renderer's child (xianning/pdf.py)",
    "cffi": "binds pango and harfbuzz, which see typed text and system fonts, in the renderer's"
    " child (xianning/pdf.py)",
    "brotli": "compresses fonts in the renderer's child; nothing from outside is unpacked with it"
    " (xianning/pdf.py)",
    "zopfli": "compresses fonts in the renderer's child (xianning/pdf.py)",
    "zxing-cpp": "looks for codes in pictures of signed pages, in a child process with limits on pages,"
    " pixels, memory, processor time and clock (transfers/scans/reading.py)",
    "pypdfium2": "draws pages of PDF that pikepdf wrote anew, in the same child as above (brings"
    " PDFium, which is C++; no scripts, no forms) (transfers/scans/reading.py)",
    "reportlab": "draws words of long rosters with fonts of the system, in the renderer's child;"
    " reads nothing else (xianning/sheets_pdf.py)",
    "charset-normalizer": "comes with reportlab, which asks it only for formats that we never give"
    " it (xianning/sheets_pdf.py)",
    "psycopg-binary": "brings libpq and OpenSSL; speaks to our own database only"
    " (xianning/settings.py)",
    "cryptography": "brings OpenSSL; authenticated encryption of private fields only"
    " (xianning/privacy.py)",
    "gunicorn": "parses requests of strangers: listens on 127.0.0.1 behind the proxy"
    " (xianning/management/commands/run.py)",
}
# Words of older metadata → identifier of SPDX.
SPDX = {
    "BSD-2-Clause": "BSD-2-Clause",
    "MIT": "MIT", "MIT License": "MIT", "BSD-3-Clause": "BSD-3-Clause", "PSFL": "PSF-2.0",
    "BSD License": "BSD-3-Clause", "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
}  # fmt: skip
# Metadata that names several licences without saying how they combine, or not as SPDX does.
CHOICES = {
    "pyphen": "GPL-2.0-or-later OR LGPL-2.1-or-later OR MPL-1.1",
    "pypdfium2": "BSD-3-Clause AND Apache-2.0",
}
# Sent to browsers: package, file inside it, pattern of the version, licence.
IN_BROWSERS = (
    ("django-bootstrap-static", "bootstrap", r"bootstrap/static/bootstrap/css/bootstrap\.min\.css",
     r"Bootstrap\s+v([\d.]+)", "MIT"),
    ("django-htmx", "htmx.org", r"django_htmx/static/django_htmx/htmx-2\.min\.js",
     r"version:\"([\d.]+)\"", "0BSD"),
)  # fmt: skip


def locked(text: str) -> dict[str, str]:
    """Canonical name → version of the pins in TEXT that hold on this machine."""
    found: dict[str, str] = {}
    for line in re.findall(r"(?m)^([^\s#][^\\\n]*==[^\\\n]*)", text):
        asked = Requirement(line.strip())
        if asked.marker is None or asked.marker.evaluate():
            found[canonicalize_name(asked.name)] = next(iter(asked.specifier)).version
    return found


def licence(name: str, package: Distribution) -> str:
    """The SPDX expression of an installed package. Raises ValueError when it names none."""
    facts: Any = package.metadata  # an email.message.Message
    expression = facts.get("License-Expression") or CHOICES.get(name)
    if expression:
        return expression
    words = [
        c.rpartition(" :: ")[2] for c in facts.get_all("Classifier") or [] if c[:7] == "License"
    ]
    short = (facts.get("License") or "").strip()
    for word in [short, *words]:
        if word in SPDX:
            return SPDX[word]
    raise ValueError(f"{name} names no licence that is known here: {short[:40]!r}, {words}")


def needs(package: Distribution, known: dict[str, str]) -> list[str]:
    """References of the packages that PACKAGE needs here, optional extras left out."""
    names = set()
    for text in package.requires or []:
        try:
            asked = Requirement(text)
        except InvalidRequirement:
            continue  # an old way of writing; pip has resolved it already
        marker: Marker | None = asked.marker
        if marker is None or marker.evaluate({"extra": ""}):
            names.add(canonicalize_name(asked.name))
    return sorted(reference(name, known[name]) for name in names & known.keys())


def reference(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def carried(name: str, package: Distribution) -> list[dict[str, Any]]:
    """What the package carries into the browser. Raises ValueError when its version is not found."""
    found = []
    for owner, label, path, pattern, terms in IN_BROWSERS:
        if owner != name:
            continue
        files = [f for f in package.files or [] if re.fullmatch(path, f.as_posix())]
        match = files and re.search(pattern, Path(str(files[0].locate())).read_text("utf-8"))
        if not match:
            raise ValueError(f"{label} was not found in {name}")
        found.append(
            {
                "type": "library",
                "bom-ref": f"pkg:npm/{label}@{match[1]}",
                "name": label,
                "version": match[1],
                "purl": f"pkg:npm/{label}@{match[1]}",
                "licenses": [{"expression": terms}],
            }
        )
    return found


def component(name: str, version: str) -> dict[str, Any]:
    """One pin as a component. Raises ValueError when it is not installed in that version."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        raise ValueError(f"{name} is locked but not installed") from None
    if package.version != version:
        raise ValueError(f"{name} is locked as {version} but installed as {package.version}")
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference(name, version),
        "name": name,
        "version": version,
        "purl": reference(name, version),
        "licenses": [{"expression": licence(name, package)}],
    }
    if name in CAGES:
        made["properties"] = [{"name": "xianning:cage", "value": CAGES[name]}]
    if inner := carried(name, package):
        made["components"] = inner
    return made


def document(requirements: str, project: dict[str, Any]) -> dict[str, Any]:
    """The whole list. REQUIREMENTS: text of the lock file; PROJECT: [project] of pyproject.toml."""
    known = locked(requirements)
    own = f"pkg:generic/{project['name']}@{project['version']}"
    direct = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    parts = [component(name, known[name]) for name in sorted(known)]
    depends = [{"ref": own, "dependsOn": sorted(reference(n, known[n]) for n in direct)}]
    depends += [
        {"ref": reference(name, known[name]), "dependsOn": needs(distribution(name), known)}
        for name in sorted(known)
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "description": project["description"],
            }
        },
        "components": parts,
        "dependencies": depends,
    }


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "var" / "sbom.json"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = (ROOT / "requirements" / "app.txt").read_text(encoding="utf-8")
    made = document(requirements, project)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}：{len(made['components'])} 个软件包。")
    return 0


if __name__ == "__main__":
    sys.exit(main())
