#!/usr/bin/env bash
# A second opinion on infra/terraform: checkov reads HCL and knows security rules. Exceptions and their reasons: ../.checkov.yaml.
# checkov comes from PyPI, into a virtual environment beside other caches; without Python it is skipped, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=3.3.30
venv=${XDG_CACHE_HOME:-$HOME/.cache}/aksgw/checkov-$VERSION

if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  echo 'SKIPPED: no python3 with venv on this machine, so no checkov.'
  exit 0
fi
if [ ! -x "$venv/bin/checkov" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "checkov==$VERSION"
fi
report=$("$venv/bin/checkov" --config-file .checkov.yaml --directory .) || { echo "$report"; exit 1; }
echo "$report"
# A file that it cannot parse is one that it did not look at.
if grep -q 'Parsing errors: [1-9]' <<<"$report"; then exit 1; fi
